import Billing
import Database
import Flows
import Inference
import Kernel
import Stores
import TestKit

/// What is set before the nodes start, and what is done beside them.
extension MoneyWorld {
    private static let choreInterval = Duration.seconds(2)

    /// Prices, wallets, credit, budgets and limits of the plan, by the stores of production.
    func setUp() -> Bool {
        server.start()
        let isDone = Shared(false)
        let process = simulation.makeProcess("founder")
        let database = RemoteDatabase(world: self, process: process, node: nil)
        let ids = IDSource(clock: process.clock, random: simulation.streams.stream("ids of the founder"))
        process.start { [self] in
            do {
                try await setUp(database, ids, process.clock)
                isDone.update { $0 = true }
            } catch {
                fail("the plan cannot be set up: \(error)")
            }
        }
        _ = simulation.run(until: Self.epoch) { isDone.value }
        process.crash(.process)
        return isDone.value
    }

    private func setUp(_ database: any Database, _ ids: IDSource, _ clock: any Clock) async throws {
        let seal = PlainSealer()
        func act() -> MoneyAct {
            MoneyAct(id: ids.next(), actor: "operator", address: nil, request: nil, at: clock.now, details: [:])
        }
        let prices = DatabasePriceStore(database, sealing: seal)
        _ = try await prices.add(self.prices.content(1), to: .price, effective: clock.now, after: 0, by: act())
        if let changeover = plan.changeover {
            _ = try await prices.add(
                self.prices.content(2), to: .price, effective: instant(changeover), after: 1, by: act())
        }
        let wallets = DatabaseWalletStore(database, sealing: seal, ledger: PlainLedgerSealer(), ids: ids)
        for (index, place) in plan.places.enumerated() {
            let workspace = town.workspaces[index]
            if place.wallet != .none {
                let rule = WalletRule(
                    tenant: town.tenant, workspace: workspace,
                    mode: place.wallet == .prepaid ? .prepaid : .postpaid, currency: .usd)
                try await wallets.set(rule, by: act())
            }
            for grant in place.grants {
                let grant = CreditGrant(
                    id: ids.next(), account: ids.next(), tenant: town.tenant, workspace: workspace,
                    amount: grant.amount, currency: .usd, priority: grant.priority, created: clock.now,
                    expires: grant.ends.map { instant($0) }, note: "", priceVersion: nil)
                try await wallets.grant(grant, by: act())
                grants.append((index, grant))
            }
        }
        let store = DatabaseBudgetStore(database, sealing: seal)
        for bound in plan.bounds {
            let budget = Budget(
                id: ids.next(), tenant: town.tenant,
                scope: Budget.Scope(workspace: bound.place.map { town.workspaces[$0] }), amount: bound.amount,
                asset: bound.asset, period: bound.budgetPeriod, isHard: bound.isHard, alerts: [50, 100],
                created: clock.now)
            budgets.append(try await store.set(budget, by: act()))
        }
        let limits = DatabaseLimitStore(database, sealing: seal)
        for limit in plan.limits {
            self.limits += try await limits.set(
                [limit.limited: limit.amount], on: .workspace(town.workspaces[limit.place]), model: nil,
                of: town.tenant, workspace: town.workspaces[limit.place], ids: ids, by: act())
        }
    }

    // MARK: Chores

    /// What `App`'s housekeeping does on every node.
    func runChores() {
        let database = RemoteDatabase(world: self, process: outside, node: nil)
        let chores = MoneyChores(self, database)
        outside.start { [outside] in
            while (try? await outside.clock.sleep(for: Self.choreInterval)) != nil {
                // A database that is away is tried again by the next turn.
                try? await chores.run()
            }
        }
    }

    /// What nodes that do not come back hold is written off, in its time; then the last chores are done.
    /// - Returns: what `volery ledger verify` says.
    func close() async throws -> LedgerVerdict {
        let database = RemoteDatabase(world: self, process: outside, node: nil)
        let chores = MoneyChores(self, database)
        if watch.slices.contains(where: { !$0.value.hasEnded }) {
            let last = watch.rights.values.map(\.expires).max() ?? server.now
            let wait = last + MoneySettings.grace - server.now + .seconds(1)
            if wait > .zero { try await outside.clock.sleep(for: wait) }
            try await chores.sweep()
        }
        try await chores.run()
        return try await chores.verify()
    }
}

/// Chores by the stores of production.
struct MoneyChores: Sendable {
    private let wallets: DatabaseWalletStore
    private let rolling: DatabaseRollingBudgets
    private let linking: LedgerLinking
    private let verification: LedgerVerificationFlow
    private let keeper: EscrowKeeper
    private let clock: any Clock

    init(_ world: MoneyWorld, _ database: RemoteDatabase) {
        let clock = world.outside.clock
        let seal = PlainLedgerSealer()
        let logger = TraceLog.logger(of: world.outside)
        let ids = IDSource(clock: clock, random: world.simulation.streams.stream("ids of chores \(world.time)"))
        let ledger = DatabaseLedger(database, sealing: seal, ids: ids)
        self.clock = clock
        wallets = DatabaseWalletStore(database, sealing: PlainSealer(), ledger: seal, ids: ids)
        rolling = DatabaseRollingBudgets(database, ledger: ledger)
        linking = LedgerLinking(
            links: DatabaseLedgerChain(database, linking: seal), anchors: world.anchors, sealer: seal, logger: logger)
        verification = LedgerVerificationFlow(
            reports: DatabaseLedgerReports(database), anchors: world.anchors,
            verification: LedgerVerification(
                postings: seal, links: seal, grace: MoneySettings.grace + .seconds(600)))
        let node = NodeLife(
            node: NodeID(ULID(high: 8, low: 0)), store: world.bug?.escrow(ledger) ?? ledger, clock: clock,
            logger: logger)
        keeper = EscrowKeeper(
            life: node, cache: SpendingCache(store: DatabaseSpendingStore(database), clock: clock),
            books: PriceBooks(store: DatabasePriceStore(database, sealing: PlainSealer()), clock: clock),
            settings: MoneySettings.keeping, isSettled: { _ in false })
    }

    func run() async throws {
        var last: BudgetID?
        repeat { last = try await rolling.roll(at: clock.now, after: last, limit: 100) } while last != nil
        _ = try await wallets.lapse(at: clock.now, limit: 100)
        try await linking.pass()
    }

    func sweep() async throws { try await keeper.sweep() }

    func verify() async throws -> LedgerVerdict { try await verification.verify() }
}

extension MoneyPlan.Bound {
    var asset: Asset {
        switch counted {
        case .money: .money(.usd)
        case .tokens: .tokens
        case .requests: .requests
        }
    }

    var budgetPeriod: BudgetPeriod {
        switch period {
        case .total: .total
        case .hour: .calendar(.hour, zone: "UTC", calendar: .gregorian)
        case .rolling: .rolling(.seconds(600))
        }
    }
}

extension MoneyPlan.Limit {
    var limited: RateLimit.Quantity {
        switch quantity {
        case .requests: .requestsPerMinute
        case .tokens: .tokensPerMinute
        case .concurrency: .concurrency
        }
    }
}
