package import Billing
package import Kernel
import Synchronization

/// Budgets, limits, wallets and a ledger in memory, as far as whoever administers them sees: accounts whose sums a test
/// sets, and transfers that it adds.
package final class MemoryShop: Sendable {
    struct State: Sendable {
        var budgets: [Budget] = []
        var events: [BudgetEvent] = []
        var limits: [(limit: RateLimit, tenant: TenantID, workspace: WorkspaceID?)] = []
        var wallets: [WalletRule] = []
        var grants: [CreditGrant] = []
        var plans: [TenantID: Plan.Name] = [:]
        var accounts: [AccountID: Account] = [:]
        var sums: [AccountID: AccountSums] = [:]
        var transfers: [Transfer] = []
        var rules: [KeyID: SpendingRules] = [:]
        var acts: [MoneyAct] = []
        var version: Int64 = 0
    }

    let state = Mutex(State())

    package init() {}

    /// Who changed something, in order.
    package var acts: [MoneyAct] { state.withLock { $0.acts } }

    package func put(_ account: Account, _ sums: AccountSums = AccountSums()) {
        state.withLock {
            $0.accounts[account.id] = account
            $0.sums[account.id] = sums
        }
    }

    package func put(_ transfers: [Transfer]) { state.withLock { $0.transfers += transfers } }

    package func put(_ rules: SpendingRules, of key: KeyID) { state.withLock { $0.rules[key] = rules } }

    package func put(_ event: BudgetEvent) { state.withLock { $0.events.append(event) } }

    private func change<Value: Sendable>(_ act: MoneyAct, _ body: (inout State) -> Value) -> Value {
        state.withLock { state in
            state.acts.append(act)
            state.version += 1
            return body(&state)
        }
    }
}

extension MemoryShop: BudgetStore {
    package func set(_ budget: Budget, by act: MoneyAct) async throws -> Budget {
        change(act) { state in
            let index = state.budgets.firstIndex {
                $0.removed == nil && $0.tenant == budget.tenant && $0.scope == budget.scope && $0.asset == budget.asset
                    && $0.period == budget.period && $0.isHard == budget.isHard
            }
            guard let index else {
                state.budgets.append(budget)
                return budget
            }
            let old = state.budgets[index]
            let new = Budget(
                id: old.id, tenant: old.tenant, scope: old.scope, amount: budget.amount, asset: old.asset,
                period: old.period, isHard: old.isHard, alerts: budget.alerts, created: old.created)
            state.budgets[index] = new
            return new
        }
    }

    package func remove(_ id: BudgetID, of tenant: TenantID, by act: MoneyAct) async throws -> Budget? {
        change(act) { state in
            guard let index = state.budgets.firstIndex(where: { $0.id == id && $0.tenant == tenant }) else {
                return nil
            }
            let old = state.budgets[index]
            let new = Budget(
                id: old.id, tenant: old.tenant, scope: old.scope, amount: old.amount, asset: old.asset,
                period: old.period, isHard: old.isHard, alerts: old.alerts, created: old.created, removed: act.at)
            state.budgets[index] = new
            return new
        }
    }

    package func budget(_ id: BudgetID) async throws -> Budget? {
        state.withLock { $0.budgets.first { $0.id == id } }
    }

    package func list(
        of tenant: TenantID, workspace: WorkspaceID?, page: PageRequest
    ) async throws -> Page<Budget> {
        let after = try cursor(page, BudgetKind.self)
        let budgets = state.withLock {
            $0.budgets.filter {
                $0.removed == nil && $0.tenant == tenant && (workspace == nil || $0.scope.workspace == workspace)
            }
        }
        return newestFirst(budgets, page: page, after: after, id: \.id)
    }

    package func periods(of id: BudgetID, limit: Int) async throws -> [(account: Account, sums: AccountSums)] {
        state.withLock { state in
            let accounts = state.accounts.values.filter { $0.subject == id.description }
            let newest = accounts.sorted { ($0.begins?.microseconds ?? 0) > ($1.begins?.microseconds ?? 0) }
            return newest.prefix(limit).map { ($0, state.sums[$0.id] ?? AccountSums()) }
        }
    }

    package func events(of id: BudgetID, page: PageRequest) async throws -> Page<BudgetEvent> {
        let events = state.withLock { $0.events.filter { $0.budget == id } }
        return Page(rows: events.reversed(), limit: page.limit) { "\($0.share)" }
    }
}

extension MemoryShop: LimitStore {
    package func set(
        _ amounts: [RateLimit.Quantity: Int64?], on subject: RateLimit.Subject, model: String?, of tenant: TenantID,
        workspace: WorkspaceID?, ids: IDSource, by act: MoneyAct
    ) async throws -> [RateLimit] {
        change(act) { state in
            for (quantity, amount) in amounts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                state.limits.removeAll {
                    $0.limit.subject == subject && $0.limit.model == model && $0.limit.quantity == quantity
                }
                guard let amount else { continue }
                let limit = RateLimit(
                    id: ids.next(), subject: subject, model: model, quantity: quantity, amount: amount)
                state.limits.append((limit, tenant, workspace))
            }
            return state.limits.map(\.limit).filter { $0.subject == subject }
        }
    }

    package func list(of tenant: TenantID, workspace: WorkspaceID?) async throws -> [RateLimit] {
        state.withLock { state in
            state.limits.filter { $0.tenant == tenant && (workspace == nil || $0.workspace == workspace) }.map(\.limit)
        }
    }
}

extension MemoryShop: WalletStore {
    package func set(_ rule: WalletRule, by act: MoneyAct) async throws {
        change(act) { state in
            state.wallets.removeAll { $0.tenant == rule.tenant && $0.workspace == rule.workspace }
            state.wallets.append(rule)
        }
    }

    package func removeRule(of tenant: TenantID, workspace: WorkspaceID?, by act: MoneyAct) async throws -> Bool {
        change(act) { state in
            let count = state.wallets.count
            state.wallets.removeAll { $0.tenant == tenant && $0.workspace == workspace }
            return state.wallets.count < count
        }
    }

    package func rules(of tenant: TenantID) async throws -> [WalletRule] {
        state.withLock { $0.wallets.filter { $0.tenant == tenant } }
    }

    package func grant(_ grant: CreditGrant, by act: MoneyAct) async throws {
        change(act) { state in
            state.grants.append(grant)
            state.accounts[grant.account] = Account(
                id: grant.account, kind: .credit, asset: .money(grant.currency), tenant: grant.tenant,
                workspace: grant.workspace, subject: grant.id.description, limit: 0)
            state.sums[grant.account] = AccountSums(credits: grant.amount)
        }
    }

    package func grants(
        of tenant: TenantID, workspace: WorkspaceID?
    ) async throws -> [(grant: CreditGrant, sums: AccountSums)] {
        state.withLock { state in
            state.grants.filter { $0.tenant == tenant && (workspace == nil || $0.workspace == workspace) }
                .map { ($0, state.sums[$0.account] ?? AccountSums()) }
        }
    }

    package func revoke(
        _ id: CreditGrantID, by act: MoneyAct
    ) async throws -> (grant: CreditGrant, sums: AccountSums)? {
        change(act) { state in
            guard let place = state.grants.firstIndex(where: { $0.id == id }) else { return nil }
            state.grants[place] = state.grants[place].ended(at: act.at)
            return (state.grants[place], state.sums[state.grants[place].account] ?? AccountSums())
        }
    }

    package func lapse(at now: Instant, limit: Int) async throws -> Int { 0 }

    package func setPlan(_ plan: Plan.Name?, of tenant: TenantID, by act: MoneyAct) async throws {
        change(act) { $0.plans[tenant] = plan }
    }

    package func plan(of tenant: TenantID) async throws -> Plan.Name? { state.withLock { $0.plans[tenant] } }
}

extension MemoryShop: SpendingStore {
    package func rules(for spender: Spender) async throws -> (SpendingRules, now: Instant) {
        let none = SpendingRules(
            budgets: [], limits: [], currency: nil, funds: [],
            receivables: [.usd: PlatformAccounts.receivable(of: spender.workspace, .money(.usd))], until: nil)
        return (state.withLock { $0.rules[spender.key] ?? none }, Instant(microseconds: 0))
    }

    package func version() async throws -> Int64 { state.withLock { $0.version } }
}
