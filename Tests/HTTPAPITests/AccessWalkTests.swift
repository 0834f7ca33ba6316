import Flows
import HTTPAPI
import HTTPTypes
import HummingbirdTesting
import Kernel
import Tenancy
import TestKit
import Testing

/// Every route with everybody who must not pass, and with somebody who may. A route without a case fails.
@Suite struct AccessWalkTests {
    @Test("every route has a case here, and no case is left over")
    func complete() async throws {
        let routes = Set(try await House().api.allRoutes.map(\.name))
        let cases = Set(AccessCase.all.keys)
        #expect(routes.subtracting(cases) == [], "routes without a case")
        #expect(cases.subtracting(routes) == [], "cases without a route")
    }

    @Test("without a credential, and with a wrong one, a route answers 401", arguments: AccessCase.guarded)
    func noCredential(name: String) async throws {
        let world = try await AccessWorld()
        _ = world.house.access.take()
        for token in [nil, "vo_" + String(repeating: "8", count: 40), world.strangersKey] {
            let answer = try await world.ask(name, of: world.own, token: token)
            #expect(answer.status == .unauthorized)
            #expect(
                try answer.json()["code"] as? String == (token == nil ? "AUTHENTICATION_REQUIRED" : "INVALID_API_KEY"))
            #expect(answer.field("www-authenticate") == #"Bearer realm="volery""#)
        }
        #expect(world.house.access.take() == [], "nobody is asked about a caller who is nobody")
    }

    @Test(
        "somebody of the tenant whose role or scopes do not allow it gets 403, or 404 for what is secret",
        arguments: AccessCase.guarded)
    func wrongRole(name: String) async throws {
        let world = try await AccessWorld()
        let weak: String? =
            switch AccessCase.all[name]?.reach {
            case .tenant, .caller, .secret: world.weakKey
            // What belongs to the platform is closed to the owner of a tenant too.
            case .platform: world.owner
            case .inference: world.idleKey
            case .open, .session, .gateway, nil: nil
            }
        guard let weak else { return }
        let answer = try await world.ask(name, of: world.own, token: weak)
        let isSecret = AccessCase.all[name]?.reach == .secret
        #expect(answer.status == (isSecret ? .notFound : .forbidden))
        #expect(try answer.json()["code"] as? String == (isSecret ? "NOT_FOUND" : "POLICY_DENIED"))
    }

    @Test("a tenant's owner is told that another tenant's things do not exist", arguments: AccessCase.ofTenants)
    func wrongTenant(name: String) async throws {
        let world = try await AccessWorld()
        let answer = try await world.ask(name, of: world.foreign, token: world.owner)
        #expect(answer.status == .notFound)
        #expect(try answer.json()["code"] as? String == "NOT_FOUND")
        // It is there: the operator has it.
        #expect(try await world.ask(name, of: world.foreign, token: House.token).status.kind == .successful)
    }

    @Test("whoever may, does; and the access rules were asked for what the route names", arguments: AccessCase.guarded)
    func rightRole(name: String) async throws {
        let world = try await AccessWorld()
        let route = try #require(try await House().api.allRoutes.first { $0.name == name })
        let token = AccessCase.all[name]?.reach == .platform ? House.token : world.owner
        _ = world.house.access.take()
        let answer = try await world.ask(name, of: world.own, token: token)
        #expect(answer.status.kind == .successful)
        let asked = Set(world.house.access.take())
        #expect(asked.isSubset(of: route.action.permissions))
        #expect(!asked.isEmpty || route.action == .authenticated)
    }

    @Test("an open route answers nobody in particular, and says why", arguments: AccessCase.open)
    func open(name: String) async throws {
        let world = try await AccessWorld()
        let route = try #require(try await House().api.allRoutes.first { $0.name == name })
        guard case .open(let reason) = route.action else {
            Issue.record("the route is not open")
            return
        }
        #expect(reason.count > 20)
        let status = try await world.ask(name, of: world.own, token: nil).status.code
        #expect(![401, 403, 404].contains(status) || name == "POST /v1/auth/sessions")
    }

    @Test("what the gateway answers names its action here; its own tests hold the cases")
    func gateway() async throws {
        for route in try await House().api.allRoutes where AccessCase.all[route.name]?.reach == .gateway {
            #expect(route.action == .permission(route.name.contains("models") ? .modelRead : .inferenceExecute))
        }
    }
}

extension Route {
    var name: String { "\(method.rawValue) \(path)" }
}

/// How far a route reaches, and what a request to it looks like.
struct AccessCase: Sendable {
    enum Reach: Sendable {
        case open, gateway
        /// For whoever has a session.
        case session
        /// Things of a tenant: another one's are not there.
        case tenant
        /// Things of a tenant that not even everybody there learns of.
        case secret
        /// What is the caller's own, and names no other.
        case caller
        /// Things of the platform.
        case platform
        /// For whoever may call models in the workspace.
        case inference
    }

    let reach: Reach
    let query: @Sendable (AccessWorld.Things) -> String
    let id: @Sendable (AccessWorld.Things) -> String
    let body: @Sendable (AccessWorld.Things) -> String?

    init(
        _ reach: Reach, query: @escaping @Sendable (AccessWorld.Things) -> String = { _ in "" },
        id: @escaping @Sendable (AccessWorld.Things) -> String = { _ in "" },
        body: @escaping @Sendable (AccessWorld.Things) -> String? = { _ in nil }
    ) {
        self.reach = reach
        self.query = query
        self.id = id
        self.body = body
    }

    static let guarded = all.filter { ![.open, .gateway].contains($0.value.reach) }.keys.sorted()
    static let ofTenants = all.filter { [.tenant, .inference, .secret].contains($0.value.reach) }.keys.sorted()
    static let open = all.filter { $0.value.reach == .open }.keys.sorted()

    static let all: [String: AccessCase] = [
        tenants, keysAndRules, people, platform, money,
        [
            "GET /livez": AccessCase(.open), "GET /readyz": AccessCase(.open), "GET /openapi.yaml": AccessCase(.open),
            "GET /docs/errors": AccessCase(.open),
            "GET /docs/errors/:code": AccessCase(.open, id: { _ in "NOT_FOUND" }),
            "POST /v1/auth/sessions": AccessCase(.open, body: { _ in #"{"user": "x", "password": "y"}"# }),
            "DELETE /v1/auth/sessions/current": AccessCase(.session),
            "POST /v1/chat/completions": AccessCase(.gateway), "POST /v1/completions": AccessCase(.gateway),
            "POST /v1/embeddings": AccessCase(.gateway), "POST /v1/messages": AccessCase(.gateway),
            "POST /v1/messages/count_tokens": AccessCase(.gateway),
            "POST /v1/responses": AccessCase(.gateway), "GET /v1/models": AccessCase(.gateway),
            "GET /v1/models/:id": AccessCase(.gateway),
        ],
    ].reduce(into: [:]) { all, some in all.merge(some) { first, _ in first } }

    private static let tenants: [String: AccessCase] = [
        "POST /v1/admin/tenants": AccessCase(.platform, body: { _ in #"{"name": "new"}"# }),
        "GET /v1/admin/tenants": AccessCase(.caller),
        "GET /v1/admin/tenants/:id": AccessCase(.tenant, id: { "\($0.tenant)" }),
        "PATCH /v1/admin/tenants/:id": AccessCase(
            .tenant, id: { "\($0.tenant)" }, body: { _ in #"{"name": "renamed"}"# }),
        "DELETE /v1/admin/tenants/:id": AccessCase(
            .tenant, query: { _ in "grace_seconds=60" }, id: { "\($0.tenant)" }),
        "POST /v1/admin/workspaces": AccessCase(.tenant, body: { #"{"name": "w", "tenant": "\#($0.tenant)"}"# }),
        "GET /v1/admin/workspaces": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
        "GET /v1/admin/workspaces/:id": AccessCase(.tenant, id: { "\($0.workspace)" }),
        "PATCH /v1/admin/workspaces/:id": AccessCase(
            .tenant, id: { "\($0.workspace)" }, body: { _ in #"{"state": "suspended"}"# }),
        "DELETE /v1/admin/workspaces/:id": AccessCase(.tenant, id: { "\($0.workspace)" }),
        "GET /v1/admin/workspaces/:id/routing": AccessCase(.tenant, id: { "\($0.workspace)" }),
        "PUT /v1/admin/workspaces/:id/routing": AccessCase(
            .tenant, id: { "\($0.workspace)" }, body: { _ in #"{"strategy": "weighted"}"# }),
        "DELETE /v1/admin/workspaces/:id/routing": AccessCase(.tenant, id: { "\($0.workspace)" }),
        "GET /v1/admin/routing": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
        "GET /v1/requests/:id/route": AccessCase(.secret, id: { "\($0.request)" }),
        "GET /v1/admin/usage": AccessCase(.tenant, query: { "workspace=\($0.workspace)" }),
        "GET /v1/admin/audit": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
        "GET /v1/admin/audit/export": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
        "GET /v1/admin/audit/verify": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
    ]

    private static let keysAndRules: [String: AccessCase] = [
        "POST /v1/admin/keys": AccessCase(.tenant, body: { #"{"name": "k", "workspace": "\#($0.workspace)"}"# }),
        "GET /v1/admin/keys": AccessCase(.tenant, query: { "workspace=\($0.workspace)" }),
        "GET /v1/admin/keys/:id": AccessCase(.tenant, id: { "\($0.key)" }),
        "DELETE /v1/admin/keys/:id": AccessCase(.tenant, id: { "\($0.key)" }),
        "POST /v1/admin/keys/:id/rotate": AccessCase(.tenant, id: { "\($0.key)" }, body: { _ in "{}" }),
        "POST /v1/admin/rules": AccessCase(
            .tenant,
            body: { #"{"name": "r", "effect": "deny", "models": ["x"], "tenant": "\#($0.tenant)"}"# }),
        "GET /v1/admin/rules": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
        "POST /v1/admin/rules/test": AccessCase(
            .tenant, body: { #"{"subject": "\#($0.key)", "action": "rule:read"}"# }),
        "GET /v1/admin/rules/:id": AccessCase(.tenant, id: { "\($0.rule)" }),
        "PUT /v1/admin/rules/:id": AccessCase(
            .tenant, id: { "\($0.rule)" }, body: { _ in #"{"name": "r", "effect": "deny", "models": ["y"]}"# }),
        "DELETE /v1/admin/rules/:id": AccessCase(.tenant, id: { "\($0.rule)" }),
    ]

    private static let people: [String: AccessCase] = [
        "POST /v1/admin/users": AccessCase(.platform, body: { _ in #"{"name": "new"}"# }),
        "GET /v1/admin/users": AccessCase(.platform),
        "PATCH /v1/admin/users/:id": AccessCase(
            .platform, id: { "\($0.person)" }, body: { _ in #"{"state": "suspended"}"# }),
        "PUT /v1/admin/users/password": AccessCase(
            .platform, body: { _ in #"{"user": "owner", "password": "correct horse battery"}"# }),
        "PUT /v1/admin/users/:id/one-time-codes": AccessCase(.platform, id: { "\($0.person)" }),
        "DELETE /v1/admin/users/:id/one-time-codes": AccessCase(.platform, id: { "\($0.person)" }),
        "POST /v1/admin/service-accounts": AccessCase(
            .tenant, body: { #"{"name": "s", "tenant": "\#($0.tenant)", "role": "developer"}"# }),
        "GET /v1/admin/service-accounts": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
        "PATCH /v1/admin/service-accounts/:id": AccessCase(
            .tenant, id: { "\($0.account)" }, body: { _ in #"{"state": "suspended"}"# }),
        "POST /v1/admin/members": AccessCase(
            .tenant, body: { #"{"user": "new", "role": "analyst", "tenant": "\#($0.tenant)"}"# }),
        "GET /v1/admin/members": AccessCase(.tenant, query: { "tenant=\($0.tenant)" }),
        "PATCH /v1/admin/members/:id": AccessCase(
            .tenant, id: { "\($0.member)" }, body: { _ in #"{"role": "analyst"}"# }),
        "DELETE /v1/admin/members/:id": AccessCase(.tenant, id: { "\($0.member)" }),
    ]

    private static let platform: [String: AccessCase] = [
        "POST /v1/admin/providers": AccessCase(.platform, body: { _ in #"{"name": "openai", "key": "sk-x"}"# }),
        "GET /v1/admin/providers": AccessCase(.platform),
        "PUT /v1/admin/providers/:id/key": AccessCase(
            .platform, id: { "\($0.provider)" }, body: { _ in #"{"key": "sk-y"}"# }),
        "DELETE /v1/admin/providers/:id": AccessCase(.platform, id: { "\($0.provider)" }),
        "GET /v1/admin/secrets": AccessCase(.platform),
        "POST /v1/admin/secrets/reseal": AccessCase(.platform),
        "POST /v1/admin/registry": AccessCase(
            .platform, body: { _ in #"{"model": "m", "endpoint": "http://127.0.0.1:9", "protocol": "openai"}"# }),
        "GET /v1/admin/registry": AccessCase(.platform),
        "GET /v1/admin/registry/:id": AccessCase(.platform, id: { "\($0.deployment)" }),
        "PATCH /v1/admin/registry/:id": AccessCase(
            .platform, id: { "\($0.deployment)" }, body: { _ in #"{"weight": 5}"# }),
        "POST /v1/admin/registry/:id/enable": AccessCase(.platform, id: { "\($0.deployment)" }),
        "POST /v1/admin/registry/:id/disable": AccessCase(.platform, id: { "\($0.deployment)" }),
        "POST /v1/admin/registry/:id/promote": AccessCase(
            .platform, id: { "\($0.deployment)" }, body: { _ in #"{"to": "production"}"# }),
        "DELETE /v1/admin/registry/:id": AccessCase(.platform, id: { "\($0.deployment)" }),
        "GET /v1/admin/runtimes": AccessCase(.platform),
        "GET /v1/admin/models": AccessCase(.caller),
    ]
}
