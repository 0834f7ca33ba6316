import Kernel
import Tenancy
import TestKit
import Testing

/// The one decision: who may do what, and why not.
@Suite struct AccessDecisionTests {
    private let tenant = TenantID(ULID(high: 1, low: 1))
    private let workspace = WorkspaceID(ULID(high: 1, low: 2))
    private let sibling = WorkspaceID(ULID(high: 1, low: 3))
    private let stranger = TenantID(ULID(high: 2, low: 1))
    private let foreign = WorkspaceID(ULID(high: 2, low: 2))
    private let key = KeyID(ULID(high: 1, low: 4))
    private let access = BuiltInAccess()
    /// A Thursday.
    private let noon = Instant(microseconds: 12 * 3600 * 1_000_000)

    private func context(_ address: String? = nil, at now: Instant? = nil) -> AccessContext {
        AccessContext(now: now ?? noon, address: address.flatMap { IPAddress($0) })
    }

    private func member(_ role: Role, in workspace: WorkspaceID? = nil) -> Principal {
        let extent: Grant.Extent = workspace.map { .workspace($0, of: tenant) } ?? .tenant(tenant)
        return Principal(
            identity: .session(SessionID(ULID(high: 1, low: 5))), grants: [Grant(extent, role.permissions)])
    }

    private func holder(
        _ scopes: KeyScopes = .usual, environment: ModelEnvironment = .production, addresses: [AddressRange] = [],
        rules: [AccessRule] = []
    ) -> Principal {
        KeyFacts(
            key: APIKey(
                id: key, tenant: tenant, workspace: workspace, name: "k", prefix: "p", hash: "h", scopes: scopes,
                environment: environment, addresses: addresses, created: noon), rules: rules
        ).principal
    }

    private func call(
        _ model: String = "tiny", aliases: [String] = [], in environment: ModelEnvironment = .production
    ) -> Resource {
        Resource(
            tenant: tenant, workspace: workspace, model: ModelNames(model, aliases: aliases),
            environment: environment, endpoint: .chat)
    }

    private func rule(
        _ effect: AccessRule.Effect, actions: Set<Permission> = [], keys: Set<KeyID> = [],
        workspace: WorkspaceID? = nil, _ conditions: RuleConditions
    ) -> AccessRule {
        AccessRule(
            id: RuleID(ULID(high: 9, low: 9)), tenant: tenant, workspace: workspace, name: "r", effect: effect,
            actions: actions, keys: keys, conditions: conditions, created: noon)
    }

    @Test(
        "nobody without a grant may do anything, and is not told that the thing exists", arguments: Permission.allCases)
    func denyByDefault(action: Permission) {
        let nobody = Principal(identity: .session(SessionID(ULID(high: 1, low: 5))), grants: [])
        #expect(access.decide(nobody, action, on: call(), in: context()) == .deny(.foreign))
    }

    @Test("a role may do in its tenant what the table says, and nothing of the platform's", arguments: Role.allCases)
    func roles(role: Role) {
        for action in Permission.allCases {
            let own = access.decide(
                member(role), action, on: Resource(tenant: tenant, workspace: workspace), in: context())
            #expect(own == (role.permissions.contains(action) ? .allow : .deny(.noPermission(action))))
            let platform = access.decide(member(role), action, on: .platform, in: context())
            #expect(platform == .deny(.noPermission(action)))
        }
        #expect(role.permissions.isDisjoint(with: Permission.ofPlatform))
    }

    @Test("another tenant's things, and another workspace's, are not there", arguments: Permission.allCases)
    func foreigners(action: Permission) {
        let inWorkspace = member(.owner, in: workspace)
        for resource in [Resource(tenant: stranger), Resource(tenant: stranger, workspace: foreign)] {
            #expect(access.decide(member(.owner), action, on: resource, in: context()) == .deny(.foreign))
            #expect(access.decide(inWorkspace, action, on: resource, in: context()) == .deny(.foreign))
        }
        let next = Resource(tenant: tenant, workspace: sibling)
        #expect(access.decide(inWorkspace, action, on: next, in: context()) == .deny(.foreign))
    }

    @Test("a member of one workspace knows its tenant and may do nothing to it")
    func ownTenant() {
        let decision = access.decide(
            member(.owner, in: workspace), .tenantWrite, on: Resource(tenant: tenant), in: context())
        #expect(decision == .deny(.noPermission(.tenantWrite)))
    }

    @Test("the operator may do everything", arguments: Permission.allCases)
    func platformOperator(action: Permission) {
        for resource in [.platform, Resource(tenant: stranger, workspace: foreign), call()] {
            #expect(access.decide(.platformOperator, action, on: resource, in: context()) == .allow)
        }
    }

    @Test("a key reaches only its models, endpoints, environment and addresses")
    func keyLimits() throws {
        let scopes = try KeyScopes(checking: ["model=llama-*", "endpoint=chat"])
        let narrow = holder(
            scopes, environment: .staging, addresses: [try #require(AddressRange("10.0.0.0/8"))])
        let here = context("10.1.2.3")
        #expect(access.decide(narrow, .inferenceExecute, on: call("llama-3", in: .staging), in: here) == .allow)
        #expect(
            access.decide(narrow, .inferenceExecute, on: call("tiny", in: .staging), in: here) == .deny(.model("tiny")))
        #expect(
            access.decide(narrow, .inferenceExecute, on: call("llama-3"), in: here) == .deny(.environment(.production)))
        var embeddings = call("llama-3", in: .staging)
        embeddings.endpoint = .embeddings
        #expect(access.decide(narrow, .inferenceExecute, on: embeddings, in: here) == .deny(.endpoint(.embeddings)))
        for elsewhere in [context("11.1.2.3"), context()] {
            #expect(
                access.decide(narrow, .inferenceExecute, on: call("llama-3", in: .staging), in: elsewhere)
                    == .deny(.address))
        }
    }

    @Test("a user's key can do no more than its user")
    func userKey() throws {
        let user = UserID(ULID(high: 3, low: 3))
        let scopes = try KeyScopes(checking: ["*"])
        let row = APIKey(
            id: key, tenant: tenant, workspace: workspace, user: user, name: "k", prefix: "p", hash: "h",
            scopes: scopes,
            created: noon)
        let place = Member(
            id: MemberID(ULID(high: 4, low: 4)), tenant: tenant, workspace: nil, user: user, role: .analyst,
            created: noon)
        let elsewhere = Member(
            id: MemberID(ULID(high: 4, low: 5)), tenant: tenant, workspace: sibling, user: user, role: .owner,
            created: noon)
        let facts = KeyFacts(key: row, user: .active, members: [place, elsewhere])
        #expect(access.decide(facts.principal, .usageRead, on: call(), in: context()) == .allow)
        #expect(
            access.decide(facts.principal, .inferenceExecute, on: call(), in: context())
                == .deny(.noPermission(.inferenceExecute)))
        #expect(!KeyFacts(key: row, user: .suspended(since: noon), members: [place]).isUsable(at: noon))
        #expect(!KeyFacts(key: row, user: nil).isUsable(at: noon))
    }

    @Test("a rule takes away where its conditions hold, or where they do not")
    func rules() throws {
        let models = RuleConditions(models: [try #require(ModelPattern("gpt-*"))])
        let denied = holder(rules: [rule(.deny, models)])
        #expect(access.decide(denied, .inferenceExecute, on: call(), in: context()) == .allow)
        #expect(isRule(access.decide(denied, .inferenceExecute, on: call("gpt-4"), in: context())))
        let required = holder(rules: [rule(.require, actions: [.inferenceExecute], models)])
        #expect(isRule(access.decide(required, .inferenceExecute, on: call(), in: context())))
        #expect(access.decide(required, .inferenceExecute, on: call("gpt-4"), in: context()) == .allow)
        #expect(
            access.decide(required, .modelRead, on: Resource(tenant: tenant, workspace: workspace), in: context())
                == .allow)
    }

    @Test("a rule binds only whom and where it says, and no rule gives what no role allows")
    func ruleReach() {
        let all = RuleConditions()
        let other = KeyID(ULID(high: 8, low: 8))
        #expect(
            access.decide(
                holder(rules: [rule(.deny, keys: [other], all)]), .inferenceExecute, on: call(), in: context())
                == .allow)
        #expect(
            isRule(
                access.decide(
                    holder(rules: [rule(.deny, keys: [key], all)]), .inferenceExecute, on: call(), in: context())))
        #expect(
            access.decide(
                holder(rules: [rule(.deny, workspace: sibling, all)]), .inferenceExecute, on: call(), in: context())
                == .allow)
        #expect(
            access.decide(holder(rules: [rule(.require, all)]), .keyWrite, on: call(), in: context())
                == .deny(.noPermission(.keyWrite)))
    }

    @Test(
        "a model is meant by each of its names, in a key's scopes and in rules", arguments: ["default", "def*", "tiny"])
    func aliases(pattern: String) throws {
        let models = RuleConditions(models: [try #require(ModelPattern(pattern))])
        let scoped = holder(try KeyScopes(checking: ["model=\(pattern)"]))
        let denied = holder(rules: [rule(.deny, models)])
        let required = holder(rules: [rule(.require, models)])
        func decide(_ principal: Principal, _ resource: Resource) -> AccessDecision {
            access.decide(principal, .inferenceExecute, on: resource, in: context())
        }
        let known = call(aliases: ["default"])
        let other = call("big", aliases: ["fast"])
        #expect(decide(scoped, known) == .allow && decide(scoped, other) == .deny(.model("big")))
        #expect(isRule(decide(denied, known)) && decide(denied, other) == .allow)
        #expect(decide(required, known) == .allow && isRule(decide(required, other)))
    }

    private func isRule(_ decision: AccessDecision) -> Bool {
        if case .deny(.rule) = decision { true } else { false }
    }

    @Test(
        "a window of time holds in its days and hours",
        arguments: [
            ("08:00-18:00", 11, true), ("08:00-18:00", 18, false), ("thu 08:00-18:00", 11, true),
            ("mon-wed 08:00-18:00", 11, false), ("22:00-06:00", 23, true), ("22:00-06:00", 5, true),
            ("22:00-06:00", 7, false), ("wed 22:00-06:00", 5, true), ("thu 22:00-06:00", 5, false),
            ("thu 08:00-11:00 +03:30", 5, true), ("thu 08:00-11:00 +03:30", 8, false),
            ("thu 22:00-24:00 -03:30", 2, false), ("wed 22:00-24:00 -03:30", 2, true),
            ("fri-mon 00:00-24:00", 11, false),
        ])
    func windows(text: String, hour: Int64, holds: Bool) throws {
        let window = try #require(TimeWindow(text))
        // 1970-01-01 was a Thursday.
        #expect(window.contains(Instant(microseconds: hour * 3_600_000_000)) == holds)
        #expect(TimeWindow(window.text) == window)
    }

    @Test(
        "what is no window is refused",
        arguments: ["", "8:00-18:00", "08:00", "08:00-25:00", "xyz 08:00-18:00", "08:00-18:00 3", "mon", "24:00-06:00"])
    func noWindows(text: String) { #expect(TimeWindow(text) == nil) }

    @Test("scopes read as they are written again, and a word that is none is named")
    func scopes() throws {
        let words = ["endpoint=chat", "inference:execute", "model=llama-*", "usage:read"]
        #expect(Set(try KeyScopes(checking: words).words) == Set(words))
        #expect(try KeyScopes(checking: []).permissions == KeyScopes.usual.permissions)
        for word in ["inference:all", "endpoint=fax", "model=", "model=a*b", "provider:write", ""] {
            #expect(throws: Problem.self) { try KeyScopes(checking: ["usage:read", word]) }
        }
    }
}
