import Billing
package import Kernel
import Tenancy

extension ControlFlow {
    package func setBudget(_ request: NewBudget) async throws -> BudgetView {
        let place = try await moneyPlace(of: request)
        try await gate.authorize(.billingWrite, on: place.target, as: "budget.set")
        try mustNotBeDeleted(place.tenant.standing, "tenant", parameter: "tenant")
        let scope = Budget.Scope(
            workspace: place.workspace?.id, user: try await spendingUser(named: request.user, in: place),
            key: try await spendingKey(named: request.key, in: place), model: try modelPattern(request.model),
            tag: try request.checkedTag())
        let asset = try asset(currency: request.currency, unit: request.unit)
        let budget = Budget(
            id: parts.ids.next(), tenant: place.tenant.id, scope: scope,
            amount: try request.amount.units(asset, parameter: "amount"), asset: asset,
            period: try BudgetPeriod(request.period ?? "total", zone: request.zone, calendar: request.calendar),
            isHard: request.hard ?? false, alerts: try request.checkedAlerts(), created: now)
        let money = try money
        let set = try await money.budgets.set(
            budget, by: act(["amount": Amount(units: budget.amount, asset).description, "hard": "\(budget.isHard)"]))
        await money.actions.didChange()
        return try await view(set, money)
    }

    package func listBudgets(
        in tenant: TenantID?, workspace: WorkspaceID?, _ page: PageRequest
    ) async throws -> Page<BudgetView> {
        let place = try await authorizedPlace(.billingRead, tenant: tenant, workspace: workspace, as: "budget.list")
        let money = try money
        let budgets = try await money.budgets.list(of: place.tenant.id, workspace: place.workspace?.id, page: page)
        var views: [BudgetID: BudgetView] = [:]
        for budget in budgets.data { views[budget.id] = try await view(budget, money) }
        return budgets.map { views[$0.id] ?? BudgetView($0, now: Self.unused($0)) }
    }

    package func budgets(binding workspace: WorkspaceID?) async throws -> [BudgetView] {
        let workspace = try await authorized(.billingRead, in: workspace, as: "budget.list")
        let money = try money
        var views: [BudgetView] = []
        var after: String?
        repeat {
            let page = try await money.budgets.list(
                of: workspace.tenant, workspace: nil,
                page: PageRequest(limit: PageRequest.allowed.upperBound, after: after))
            for budget in page.data
            where budget.removed == nil && [nil, workspace.id].contains(budget.scope.workspace) {
                views.append(try await view(budget, money))
            }
            after = page.hasMore ? page.lastID : nil
        } while after != nil
        return views
    }

    package func budget(_ id: BudgetID) async throws -> BudgetView {
        try await view(authorizedBudget(id, .billingRead, as: "budget.read"), money)
    }

    package func removeBudget(_ id: BudgetID) async throws -> BudgetView {
        let budget = try await authorizedBudget(id, .billingWrite, as: "budget.remove")
        let money = try money
        guard let removed = try await money.budgets.remove(id, of: budget.tenant, by: act()) else {
            throw Self.missing("budget", id, parameter: "id")
        }
        await money.actions.didChange()
        return try await view(removed, money)
    }

    package func budgetEvents(of id: BudgetID, _ page: PageRequest) async throws -> Page<BudgetEventView> {
        let budget = try await authorizedBudget(id, .billingRead, as: "budget.events")
        return try await money.budgets.events(of: id, page: page).map { BudgetEventView($0, asset: budget.asset) }
    }

    // MARK: Parts

    /// A key says by itself in which tenant it is.
    private func moneyPlace(of request: NewBudget) async throws -> MoneyPlace {
        guard request.tenant == nil, request.workspace == nil, let key = request.key.flatMap({ KeyID($0) }),
            let home = try await stores.keys.workspace(of: key)
        else { return try await moneyPlace(tenant: request.tenant, workspace: request.workspace) }
        let place = try await moneyPlace(tenant: home.tenant.description, workspace: nil)
        return MoneyPlace(
            tenant: place.tenant, workspace: nil,
            target: Target(
                place.target.resource, subject: key.description,
                missing: Self.missing("key", key, parameter: "key")))
    }

    private func authorizedBudget(_ id: BudgetID, _ action: Permission, as act: String) async throws -> Budget {
        let missing = Self.missing("budget", id, parameter: "id")
        guard let budget = try await money.budgets.budget(id) else { throw missing }
        let resource = Resource(tenant: budget.tenant, workspace: budget.scope.workspace)
        try await gate.authorize(action, on: Target(resource, subject: id.description, missing: missing), as: act)
        return budget
    }

    /// With its account of the period now; a period that nothing was counted in may have none yet.
    private func view(_ budget: Budget, _ money: MoneyParts) async throws -> BudgetView {
        let period = budget.period.interval(containing: now)
        let last = try await money.budgets.periods(of: budget.id, limit: 1).first
        let current = last.flatMap { period == nil || $0.account.begins == period?.begins ? $0 : nil }
        return BudgetView(
            budget,
            now: BudgetStanding(
                budget, account: current?.account, sums: current?.sums ?? AccountSums(), period: period))
    }

    private static func unused(_ budget: Budget) -> BudgetStanding {
        BudgetStanding(budget, account: nil, sums: AccountSums(), period: nil)
    }
}

extension NewBudget {
    fileprivate func checkedTag() throws(Problem) -> String? {
        guard let tag else { return nil }
        guard Tags.isTag(tag) else {
            throw Problem(
                .validationError, "`tag` is no tag.", parameter: "tag",
                hint: "A tag has 1 to 64 letters, digits, and `._:-`.")
        }
        return tag
    }

    fileprivate func checkedAlerts() throws(Problem) -> [Int] {
        let alerts = Set(alerts ?? [50, 80, 100]).sorted()
        guard alerts.count <= 10, alerts.allSatisfy({ (1...1000).contains($0) }) else {
            throw Problem(
                .validationError, "`alerts` are at most 10 shares, each of 1 to 1000 percent.", parameter: "alerts")
        }
        return alerts
    }
}

/// The form of a tag, as callers send it with a request.
enum Tags {
    static func isTag(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
