import App
import AsyncHTTPClient
import Billing
import Flows
import HTTPAPI
import Hummingbird
import HummingbirdTesting
import Inference
import Kernel
import Logging
import Tenancy
import TestKit
import Testing

/// The remote control against the real API over a real port, with stores in memory behind it.
@Suite struct RemoteControlTests {
    private static let token = Secret("vo_" + String(repeating: "7", count: 40))

    private func withRemote(
        token: Secret = RemoteControlTests.token,
        _ body: @escaping @Sendable (any Control, MemoryUsageStore, Samples, WorkspaceID) async throws -> Void
    ) async throws {
        let samples = Samples()
        let usage = MemoryUsageStore()
        let directory = MemoryDirectory(clock: samples.clock)
        let workspace = try await directory.ensure(
            tenant: "default", workspace: "default", ids: samples.ids, now: samples.clock.now)
        let api = try await api(over: directory, workspace, usage: usage, samples)
        try await Application(router: api.makeRouter(), configuration: .init(address: .hostname("127.0.0.1", port: 0)))
            .test(.live) { server in
                let port = try #require(server.port)
                try await HTTPClient.withHTTPClient { client in
                    let remote = RemoteControl(client: client, url: "http://127.0.0.1:\(port)", token: token)
                    try await body(remote, usage, samples, workspace.id)
                }
            }
    }

    private func api(
        over directory: MemoryDirectory, _ workspace: Workspace, usage: MemoryUsageStore, _ samples: Samples
    ) async throws -> ControlAPI {
        let keys = MemoryKeyStore(in: directory)
        let deployments = MemoryRegistryStore()
        let routings = MemoryRoutingStore()
        let clock = samples.clock
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let failures = FailedCredentials(clock: clock)
        let parts = ControlParts(
            home: workspace,
            stores: ControlStores(
                keys: keys, tenants: directory, workspaces: directory, users: directory, members: directory,
                rules: directory, audit: directory, providers: MemoryProviderStore(), secrets: MemorySecretStore(),
                deployments: deployments, routings: routings, usage: usage, routes: usage),
            money: money(usage),
            hasher: TransparentHasher(), sealer: PlainBox(), codes: PlainCodes(),
            verification: AuditVerificationFlow(store: directory, anchors: MemoryAnchors(), sealer: PlainSealer()),
            verifier: nil, revocations: nil,
            registry: RegistryRefresh(
                registry: Registry(), store: deployments, routings: routings, clock: clock),
            runtimes: { [] }, clock: clock, ids: samples.ids, random: SeededRandom(seed: 5))
        let signIn = SignInFlow(
            SignInFlow.Parts(
                users: directory, sessions: directory, audit: directory, hasher: TransparentHasher(),
                sealer: PlainBox(), codes: PlainCodes(), digests: PlainSessionDigest(), failures: failures,
                clock: clock, ids: samples.ids, random: SeededRandom(seed: 6), startTask: { _ in }))
        let authentication = CallerAuthentication(
            operatorToken: Self.token,
            keys: KeyVerifier(store: keys, hasher: TransparentHasher(), digests: PlainDigest(), clock: clock),
            sessions: directory,
            directory: PrincipalDirectory(
                users: directory, members: directory, tenants: directory, workspaces: directory, rules: directory),
            digests: PlainSessionDigest(), clock: clock)
        let readiness = Readiness(
            registry: RegistrySnapshot(), services: [], isDraining: false, blocked: [], version: "1")
        return ControlAPI(
            control: { ControlFlow(caller: $0, parts: parts) }, authentication: authentication, signIn: signIn,
            idempotency: IdempotencyFlow(
                store: MemoryIdempotencyStore(clock: clock), digest: PlainRequestDigest(), clock: clock,
                logger: logger),
            readiness: { readiness }, openAPI: [], ids: samples.ids, clock: clock, logger: logger)
    }

    private func money(_ usage: MemoryUsageStore) -> MoneyParts {
        let shop = MemoryShop()
        return MoneyParts(
            prices: MemoryPrices(), budgets: shop, limits: shop, wallets: shop, spending: shop, ledger: shop,
            reports: shop, usage: usage,
            actions: MoneyParts.Actions(
                didChange: {}, verify: { .empty }, suspended: { Page(rows: [], limit: $0.limit) { "\($0.request)" } },
                resolve: { SuspenseResolution(resolved: 1, left: 2) }))
    }

    private func checkPrices(over remote: any Control) async throws {
        var price = NewPrice(model: "far", currency: "USD")
        price.input = DecimalInput("0.15")
        price.output = DecimalInput("0.6")
        #expect(try await remote.setPrice(price).version == 1)
        let book = try await remote.priceBook(of: nil, version: nil)
        #expect(book.prices.map(\.price.amount.text) == ["0.15", "0.60"])
        let again = NewPriceBook(prices: book.prices, umu: book.umu, umuPrice: book.umuPrice, rates: book.rates)
        #expect(try await remote.importPrices(again).version == 1, "it says what is in force already")
        var other = again
        other.rates = [ExchangeRateView(from: "usd", to: "IRR", rate: DecimalInput("5"), day: "2026-11-21")]
        #expect(try await remote.importPrices(other).version == 2)
        #expect(try await remote.priceVersions(of: "price", PageRequest()).data.map(\.version) == [2, 1])
        let quote = try await remote.quote(NewQuote(model: "far", inputTokens: 7, outputTokens: 3))
        #expect(quote.price == Amount("0.00000285", .money(.usd)))
    }

    @Test("everything about money works over the wire as it does in the process")
    func money() async throws {
        try await withRemote { remote, usage, samples, workspace in
            try await checkPrices(over: remote)
            var budget = NewBudget(amount: DecimalInput("10"))
            budget.workspace = workspace.description
            budget.currency = "USD"
            budget.period = "month"
            budget.zone = "Asia/Tehran"
            budget.hard = true
            let set = try await remote.setBudget(budget)
            #expect(try await remote.budget(set.id) == set)
            #expect(try await remote.listBudgets(in: nil, workspace: workspace, PageRequest()).data == [set])
            #expect(try await remote.budgets(binding: workspace) == [set])
            #expect(try await remote.budgetEvents(of: set.id, PageRequest()).data == [])
            #expect(try await remote.removeBudget(set.id).removed != nil)

            var limits = LimitChange()
            limits.workspace = workspace.description
            limits.rpm = 60
            #expect(try await remote.setLimits(limits).map(\.amount) == [60])
            #expect(try await remote.listLimits(in: nil, workspace: nil).map(\.quantity.rawValue) == ["rpm"])

            let wallet = try await remote.setWallet(
                NewWallet(workspace: workspace.description, mode: "prepaid", currency: "USD"))
            #expect(try await remote.wallets(of: nil) == [wallet])
            var credit = NewCredit(amount: DecimalInput("25"), currency: "USD")
            credit.workspace = workspace.description
            let granted = try await remote.grantCredit(credit)
            #expect(try await remote.listCredits(in: nil, workspace: workspace) == [granted])
            #expect(try await remote.setPlan(NewPlan(plan: "pro")) == remote.plan(of: nil))
            #expect(try await remote.removePlan(of: nil) == remote.plan(of: nil))
            #expect(try await remote.removeWallet(of: nil, workspace: workspace) == wallet)
            #expect(try await remote.wallets(of: nil) == [])
            #expect(try await remote.listPlans().count == 3)

            let balance = try await remote.balance(of: nil, workspace: workspace)
            #expect(balance.posted == "25.00" && balance.available == "25.00" && balance.pending == "0.00")
            let accounts = try await remote.accounts(of: nil, workspace: workspace, isPlatform: false)
            #expect(accounts.map(\.id) == [granted.account])
            #expect(try await remote.account(granted.account) == accounts.first)
            let request = StatementRequest(account: granted.account)
            #expect(try await remote.statement(request, PageRequest()).closing == granted.amount)
            #expect(try await remote.verifyLedger().ok)
            #expect(try await remote.suspended(PageRequest()).data == [])
            #expect(try await remote.resolveSuspense() == SuspenseResolution(resolved: 1, left: 2))

            let record = samples.record(in: workspace, key: samples.ids.next())
            usage.insert(BilledUsage(record: record, billState: "charged", price: Money(units: 5, .usd)))
            // A name with everything that means something in a URL.
            var question = UsageQuestion(workspace: workspace, groups: ["day", "model"], zone: "Asia/Tehran")
            question.until = (samples.clock.now + .seconds(60)).description
            let report = try await remote.usageReport(question)
            #expect(report.data.map(\.requests) == [1])
            question.tag = "a&b=c/d e+f%"
            #expect(try await remote.usageReport(question).data == [])
            question.tag = ""
            #expect(
                try await remote.usageRows(matching: question, PageRequest()).data.map(\.request) == [record.request])
        }
    }

    @Test("everything that an operator can do works over the wire as it does in the process")
    func roundTrip() async throws {
        try await withRemote { remote, usage, samples, workspace in
            let key = try await remote.createKey(NewKey(name: "laptop", expires: samples.clock.now + .seconds(60)))
            #expect(key.token.reveal().hasPrefix("vk_\(key.view.prefix)_"))
            #expect(try await remote.listKeys(in: nil, PageRequest(limit: 1)).data == [key.view])
            #expect(try await remote.revokeKey(key.view.id).revoked == samples.clock.now)

            let made = try await remote.registerDeployment(
                NewDeployment(model: "far", endpoint: "http://127.0.0.1:9", aliases: ["x"], capabilities: ["chat"]))
            #expect(try await remote.listDeployments() == [made])
            #expect(try await remote.models().map(\.model) == ["far"])
            #expect(try await remote.deregister(made.id) == made)

            let record = samples.record(in: workspace, key: key.view.id)
            try await usage.insert([record])
            let row = UsageRowView(BilledUsage(record: record), showsCost: true)
            #expect(try await remote.usageRows(in: nil, PageRequest()).data == [row])
            #expect(try await remote.usageSummary(in: nil, days: 30).map(\.requests) == [1])
            #expect(try await remote.runtimes().isEmpty)
        }
    }

    @Test("a problem comes over the wire whole")
    func problems() async throws {
        try await withRemote { remote, _, samples, _ in
            let id: KeyID = samples.ids.next()
            let missing = await #expect(throws: Problem.self) { try await remote.revokeKey(id) }
            #expect(missing?.code == .notFound)
            #expect(missing?.hint == "`volery keys list` shows the keys of a workspace.")
            let bad = await #expect(throws: Problem.self) {
                try await remote.registerDeployment(NewDeployment(model: "far", endpoint: "ftp://x"))
            }
            #expect(bad?.parameter == "endpoint")
        }
    }

    @Test("another token is refused, and nobody there is silence")
    func refused() async throws {
        try await withRemote(token: Secret("vo_" + String(repeating: "8", count: 40))) { remote, _, _, _ in
            let problem = await #expect(throws: Problem.self) { try await remote.listKeys(in: nil, PageRequest()) }
            #expect(problem?.code == .invalidAPIKey)
        }
        try await HTTPClient.withHTTPClient(configuration: .sameMachine) { client in
            let nobody = RemoteControl(client: client, url: "http://127.0.0.1:1", token: Self.token)
            let problem = await #expect(throws: Problem.self) { try await nobody.listDeployments() }
            #expect(problem?.code == .platformSilent)
        }
    }

    @Test("tenants, workspaces, members and accounts work over the wire")
    func directory() async throws {
        try await withRemote { remote, _, _, _ in
            let tenant = try await remote.createTenant(NewTenant(name: "acme"))
            #expect(try await remote.tenant(tenant.id) == tenant)
            #expect(try await remote.listTenants(PageRequest()).data.contains(tenant))
            let space = try await remote.createWorkspace(NewWorkspace(name: "w", tenant: "acme"))
            #expect(try await remote.listWorkspaces(in: tenant.id, PageRequest()).data == [space])
            let change = DirectoryChangeRequest(name: "v", state: "suspended")
            #expect(try await remote.changeWorkspace(space.id, change).state == "suspended")
            #expect(try await remote.workspace(space.id).name == "v")
            #expect(try await remote.deleteWorkspace(space.id, graceSeconds: 60).state == "deleted")
            #expect(try await remote.changeTenant(tenant.id, DirectoryChangeRequest(name: "zeta")).name == "zeta")

            let person = try await remote.createUser(NewUser(name: "ada"))
            #expect(try await remote.listUsers(PageRequest()).data == [person])
            let program = try await remote.createServiceAccount(
                NewServiceAccount(name: "ci", tenant: tenant.id.description, role: "developer"))
            #expect(try await remote.listServiceAccounts(in: tenant.id, PageRequest()).data == [program])
            #expect(try await remote.changeUser(program.id, UserChange(state: "suspended")).state == "suspended")
            let member = try await remote.addMember(
                NewMember(user: "ada", role: "owner", tenant: tenant.id.description))
            let listed = try await remote.listMembers(in: tenant.id, workspace: nil, PageRequest()).data
            #expect(Set(listed.map(\.name)) == ["ada", "ci"])
            let second = try await remote.addMember(NewMember(user: "eve", role: "owner", tenant: "zeta"))
            #expect(try await remote.changeMember(member.id, MemberChange(role: "admin")).role == .admin)
            #expect(try await remote.removeMember(member.id).id == member.id)
            #expect(second.user != member.user)
            #expect(try await remote.deleteTenant(tenant.id, graceSeconds: nil).state == "deleted")
        }
    }

    @Test("rules, rotation, the audit log and the local owner work over the wire")
    func access() async throws {
        try await withRemote { remote, _, _, _ in
            let made = try await remote.createRule(NewRule(name: "r", effect: "deny", models: ["gpt-*"]))
            #expect(try await remote.listRules(in: nil) == [made])
            #expect(try await remote.rule(made.id) == made)
            let request = NewRule(name: "r", effect: "deny", models: ["o1"])
            #expect(try await remote.replaceRule(made.id, request).models == ["o1"])
            let key = try await remote.createKey(NewKey(name: "k"))
            let question = AccessQuestion(
                subject: key.view.id.description, action: "inference:execute", model: "o1")
            #expect(try await remote.testAccess(question).allowed == false)
            #expect(try await remote.removeRule(made.id).id == made.id)
            #expect(try await remote.testAccess(question) == AccessAnswer(allowed: true, reason: nil))
            let next = try await remote.rotateKey(key.view.id, KeyRotation(overlapSeconds: 60))
            #expect(try await remote.key(key.view.id).successor == next.view.id)

            let owner = try await remote.setPassword(
                NewPassword(user: "owner", password: Secret("a long enough one")))
            #expect(owner.isOperator)
            #expect(try await remote.setOneTimeCodes(owner.id, on: true).uri != nil)
            #expect(try await remote.setOneTimeCodes(owner.id, on: false).uri == nil)
            let events = try await remote.auditEvents(of: nil, PageRequest()).data
            let exported = try await remote.exportAudit(of: nil, after: 0, limit: 1000)
            #expect(!events.isEmpty)
            #expect(exported.map(\.sequence) == Array(1...Int64(exported.count)))
            #expect(Set(events.map(\.id)).isSubset(of: exported.map(\.id)))
            #expect(try await remote.exportAudit(of: nil, after: 0, limit: 1).count == 1)
            #expect(try await remote.verifyAudit(of: nil).ok)
        }
    }

    @Test("providers and their keys work over the wire, and no answer has a key in it")
    func providers() async throws {
        try await withRemote { remote, _, samples, _ in
            let added = try await remote.addProvider(NewProvider(name: "groq", key: Secret("gsk-one")))
            #expect(try await remote.listProviders() == [added])
            #expect(added.hasKey)
            let changed = try await remote.replaceProviderKey(added.id, NewProviderKey(key: Secret("gsk-two")))
            #expect(changed.keyStored == samples.clock.now)
            #expect(try await remote.listSecrets().map(\.name) == ["provider/\(added.id)"])
            _ = try await remote.resealSecrets()
            let far = try await remote.registerDeployment(NewDeployment(model: "far", provider: "groq"))
            #expect(far.provider == "groq")
            _ = try await remote.deregister(far.id)
            #expect(try await remote.removeProvider(added.id).name == "groq")
        }
    }

    @Test("under an idempotency key a second key is not made, and the first one is named")
    func keyed() async throws {
        try await withRemote { remote, _, _, _ in
            let keyed = try #require(remote as? RemoteControl).keyed("once")
            let made = try await keyed.createKey(NewKey(name: "k"))
            let problem = await #expect(throws: Problem.self) { try await keyed.createKey(NewKey(name: "k")) }
            #expect(problem?.code == .idempotencyConflict)
            #expect(problem?.message.contains(made.view.id.description) == true)
            #expect(try await remote.listKeys(in: nil, PageRequest()).data.count == 1)
        }
    }
}
