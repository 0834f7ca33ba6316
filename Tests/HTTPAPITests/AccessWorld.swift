import Billing
import Flows
import HTTPAPI
import HTTPTypes
import HummingbirdTesting
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

/// Two tenants with one of everything each, and the credentials of the first one's people.
struct AccessWorld {
    struct Things: Sendable {
        let tenant: TenantID
        let workspace: WorkspaceID
        let key: KeyID
        let rule: RuleID
        let person: UserID
        let member: MemberID
        let account: UserID
        let provider: ProviderID
        let deployment: DeploymentID
        let budget: BudgetID
        let ledgerAccount: AccountID
        let grant: CreditGrantID
        let request: Kernel.RequestID
    }

    static let password = Secret("correct horse battery")

    let house: House
    let own: Things
    let foreign: Things
    /// The session of the first tenant's owner.
    let owner: String
    /// A key in the first tenant's workspace that may call models and nothing else.
    let weakKey: String
    /// One that may do everything but call models.
    let idleKey: String
    /// A key that never was.
    let strangersKey: String

    init() async throws {
        house = try await House()
        let flow = house.flow
        let provider = try await flow.addProvider(NewProvider(name: "groq", key: Secret("sk-1"))).id
        let deployment = try await flow.registerDeployment(
            NewDeployment(model: "far", endpoint: "http://127.0.0.1:8", environment: "staging")
        ).id
        var price = NewPrice(model: "*", currency: "USD")
        price.output = DecimalInput("1")
        _ = try await flow.setPrice(price)
        own = try await Self.things("acme", house, provider, deployment)
        foreign = try await Self.things("other", house, provider, deployment)
        _ = try await flow.addMember(NewMember(user: "olga", role: "owner", tenant: "acme"))
        _ = try await flow.setPassword(NewPassword(user: "olga", password: Self.password))
        weakKey = try await flow.createKey(
            NewKey(name: "weak", workspace: own.workspace.description, scopes: ["inference:execute"])
        ).token.reveal()
        idleKey = try await flow.createKey(
            NewKey(
                name: "idle", workspace: own.workspace.description,
                scopes: Role.owner.permissions.subtracting([.inferenceExecute]).map(\.rawValue))
        ).token.reveal()
        strangersKey = KeyToken.make(random: SeededRandom(seed: 99)).text.reveal()
        let session = try await house.ask(
            .post, "/v1/auth/sessions", token: nil,
            body: #"{"user": "olga", "password": "\#(Self.password.reveal())"}"#)
        owner = try #require(try session.json()["token"] as? String)
    }

    private static func things(
        _ name: String, _ house: House, _ provider: ProviderID, _ deployment: DeploymentID
    ) async throws -> Things {
        let flow = house.flow
        let tenant = try await flow.createTenant(NewTenant(name: name)).id
        let workspace = try await flow.createWorkspace(NewWorkspace(name: "main", tenant: name)).id
        let member = try await flow.addMember(NewMember(user: "ann of \(name)", role: "developer", tenant: name))
        _ = try await flow.setPassword(NewPassword(user: "ann of \(name)", password: password))
        let account = try await flow.createServiceAccount(NewServiceAccount(name: "ci", tenant: name))
        let key = try await flow.createKey(NewKey(name: "k", workspace: workspace.description))
        _ = try await flow.setRouting(of: workspace, NewRouting(strategy: "cheapest"))
        let rule = try await flow.createRule(
            NewRule(name: "r", effect: "deny", tenant: name, models: ["forbidden"]))
        var budget = NewBudget(amount: DecimalInput("5"))
        budget.workspace = workspace.description
        budget.currency = "USD"
        var credit = NewCredit(amount: DecimalInput("5"), currency: "USD")
        credit.workspace = workspace.description
        let grant = try await flow.grantCredit(credit)
        let purse = grant.account
        _ = try await flow.setWallet(NewWallet(tenant: name, mode: "postpaid", currency: "USD"))
        let request: Kernel.RequestID = house.samples.ids.next()
        house.shop.put([
            Transfer(
                id: TransferID("\(request)/charge/0"), reason: .charge, debit: purse,
                credit: PlatformAccounts.id(.revenue, .money(.usd)), amount: Amount(units: 1, .money(.usd)),
                request: request, accepted: house.samples.clock.now)
        ])
        try await house.usage.insert([
            StoredRoute(
                request: request, workspace: workspace, key: key.view.id, accepted: house.samples.clock.now,
                record: RouteSamples.bytes(of: RouteSamples.record()))
        ])
        return Things(
            tenant: tenant, workspace: workspace, key: key.view.id, rule: rule.id, person: member.user,
            member: member.id, account: account.id, provider: provider, deployment: deployment,
            budget: try await flow.setBudget(budget).id, ledgerAccount: purse, grant: grant.id,
            request: request)
    }

    /// Sends the case's request about these things.
    func ask(_ name: String, of things: Things, token: String?) async throws -> TestResponse {
        let one = try #require(AccessCase.all[name])
        let words = name.split(separator: " ")
        let method = try #require(HTTPRequest.Method(rawValue: String(words[0])))
        let query = one.query(things)
        let path = words[1].split(separator: "/").map { $0.hasPrefix(":") ? one.id(things) : String($0) }
        let target = "/" + path.joined(separator: "/") + (query.isEmpty ? "" : "?" + query)
        return try await house.ask(method, target, token: token, body: one.body(things))
    }
}
