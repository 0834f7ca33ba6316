import Billing
package import Kernel
import Tenancy

extension ControlFlow {
    package func setWallet(_ request: NewWallet) async throws -> WalletView {
        let place = try await moneyPlace(tenant: request.tenant, workspace: request.workspace)
        try await mayGiveCredit(place, as: "wallet.set")
        let rule = WalletRule(
            tenant: place.tenant.id, workspace: place.workspace?.id,
            mode: try Checks.oneOf(WalletRule.Mode.self, request.mode, parameter: "mode"),
            currency: try currency(request.currency))
        let money = try money
        try await money.wallets.set(rule, by: act(["mode": rule.mode.rawValue, "currency": rule.currency.rawValue]))
        await money.actions.didChange()
        return WalletView(rule)
    }

    package func removeWallet(of tenant: TenantID?, workspace: WorkspaceID?) async throws -> WalletView {
        let place = try await moneyPlace(tenant: tenant?.description, workspace: workspace?.description)
        try await mayGiveCredit(place, as: "wallet.remove")
        let money = try money
        let rules = try await money.wallets.rules(of: place.tenant.id)
        let rule = rules.first { $0.workspace == place.workspace?.id }
        let isGone = try await money.wallets.removeRule(
            of: place.tenant.id, workspace: place.workspace?.id, by: act())
        guard let rule, isGone else {
            throw Problem(
                .notFound, "There is no rule to take away.", parameter: place.workspace == nil ? "tenant" : "workspace",
                hint: "`volery wallets show` lists the rules of a tenant.")
        }
        await money.actions.didChange()
        return WalletView(rule)
    }

    package func wallets(of tenant: TenantID?) async throws -> [WalletView] {
        let tenant = try await authorized(.billingRead, in: tenant, as: "wallet.read")
        return try await money.wallets.rules(of: tenant.id).map(WalletView.init)
    }

    package func grantCredit(_ request: NewCredit) async throws -> CreditView {
        let place = try await moneyPlace(tenant: request.tenant, workspace: request.workspace)
        try await mayGiveCredit(place, as: "credit.grant")
        try mustNotBeDeleted(place.tenant.standing, "tenant", parameter: "tenant")
        let money = try money
        let currency = try currency(request.currency)
        let (amount, version) = try await amount(of: request, in: currency, money)
        let grant = CreditGrant(
            id: parts.ids.next(), account: parts.ids.next(), tenant: place.tenant.id,
            workspace: place.workspace?.id, amount: amount, currency: currency,
            priority: try request.checkedPriority(), created: now, expires: try request.checkedExpiry(now: now),
            note: try request.checkedNote(), priceVersion: version)
        try await money.wallets.grant(grant, by: act(["amount": Money(units: amount, currency).words]))
        await money.actions.didChange()
        return CreditView(grant, sums: AccountSums(credits: amount))
    }

    package func listCredits(in tenant: TenantID?, workspace: WorkspaceID?) async throws -> [CreditView] {
        let place = try await authorizedPlace(.billingRead, tenant: tenant, workspace: workspace, as: "credit.list")
        return try await money.wallets.grants(of: place.tenant.id, workspace: place.workspace?.id)
            .map { CreditView($0.grant, sums: $0.sums) }
    }

    package func revokeCredit(_ id: CreditGrantID) async throws -> CreditView {
        let missing = Self.missing("credit", id, parameter: "id")
        try await gate.authorize(
            .creditWrite, on: Target(.platform, subject: id.description, missing: missing), as: "credit.revoke")
        let money = try money
        guard let (grant, sums) = try await money.wallets.revoke(id, by: act()) else { throw missing }
        await money.actions.didChange()
        return CreditView(grant, sums: sums)
    }

    package func setPlan(_ request: NewPlan) async throws -> TenantPlanView {
        let place = try await moneyPlace(tenant: request.tenant, workspace: nil)
        try await mayGiveCredit(place, as: "plan.set")
        let name = try Checks.oneOf(Plan.Name.self, request.plan, parameter: "plan")
        let money = try money
        try await money.wallets.setPlan(name, of: place.tenant.id, by: act(["plan": name.rawValue]))
        await money.actions.didChange()
        return TenantPlanView(tenant: place.tenant.id, plan: Plan.all.first { $0.name == name })
    }

    package func removePlan(of tenant: TenantID?) async throws -> TenantPlanView {
        let place = try await moneyPlace(tenant: tenant?.description, workspace: nil)
        try await mayGiveCredit(place, as: "plan.remove")
        let money = try money
        try await money.wallets.setPlan(nil, of: place.tenant.id, by: act())
        await money.actions.didChange()
        return TenantPlanView(tenant: place.tenant.id, plan: nil)
    }

    package func plan(of tenant: TenantID?) async throws -> TenantPlanView {
        let tenant = try await authorized(.billingRead, in: tenant, as: "plan.read")
        let name = try await money.wallets.plan(of: tenant.id)
        return TenantPlanView(tenant: tenant.id, plan: Plan.all.first { $0.name == name })
    }

    package func listPlans() async throws -> [PlanView] {
        try await mayAnywhere(.billingRead, as: "plan.list")
        return Plan.all.map(PlanView.init)
    }

    // MARK: Parts

    /// The platform's, for whichever tenant: what its owner cannot give itself.
    private func mayGiveCredit(_ place: MoneyPlace, as act: String) async throws {
        try await gate.authorize(
            .creditWrite, on: Target(.platform, subject: place.target.subject, missing: place.target.missing), as: act)
    }

    /// - Returns: in ledger units, and the version of the book that made money of UMU.
    private func amount(
        of request: NewCredit, in currency: Currency, _ money: MoneyParts
    ) async throws -> (Int64, version: Int?) {
        guard let unit = request.unit else {
            return (try request.amount.positiveUnits(.money(currency), parameter: "amount"), nil)
        }
        guard unit == Asset.umu.text else { throw Checks.unknown("unit", unit, allowed: [Asset.umu.text]) }
        let umu = try request.amount.positiveUnits(.umu, parameter: "amount")
        let book = Self.book(in: try await money.prices.current(.price, at: now), at: now)
        guard let book, let price = book.content.umuPrice.first(where: { $0.currency == currency }) else {
            throw Problem(
                .conflict, "The price book in force has no price of UMU in \(currency.rawValue).", parameter: "unit",
                hint: "Import a book with `umu_price`, or give the credit in \(currency.rawValue).")
        }
        guard let units = multiplyRounding(umu, price.units, over: price.per * 1_000_000), units > 0 else {
            throw Problem(.validationError, "The credit comes to no amount that the ledger keeps.", parameter: "amount")
        }
        return (units, book.version)
    }
}

extension Money {
    fileprivate var words: String { Amount(self).description }
}

extension NewCredit {
    private static let longestLife = 100 * 366 * 86_400

    fileprivate func checkedPriority() throws(Problem) -> Int {
        let priority = priority ?? 100
        guard (0...1_000_000).contains(priority) else {
            throw Problem(.validationError, "`priority` must be 0 to 1000000.", parameter: "priority")
        }
        return priority
    }

    fileprivate func checkedExpiry(now: Instant) throws(Problem) -> Instant? {
        guard expires == nil || expiresIn == nil else {
            throw Problem(
                .validationError, "`expires` and `expires_in` exclude each other.", parameter: "expires_in",
                hint: "Leave one of them out.")
        }
        if let expiresIn {
            guard (1...Self.longestLife).contains(expiresIn) else {
                throw Problem(
                    .validationError, "`expires_in` must be a number of seconds from 1 to \(Self.longestLife).",
                    parameter: "expires_in", hint: "Leave it out for credit that does not end.")
            }
            return now + .seconds(expiresIn)
        }
        if let expires, expires <= now {
            throw Problem(
                .validationError, "`expires` lies in the past.", parameter: "expires",
                hint: "Give a time to come, such as 90d on the command line, or leave it out for no end.")
        }
        return expires
    }

    fileprivate func checkedNote() throws(Problem) -> String {
        let note = note ?? ""
        let isPrintable = note.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        guard note.utf8.count <= 400, isPrintable else {
            throw Problem(
                .validationError, "`note` has more than 400 bytes, or what cannot be printed.", parameter: "note")
        }
        return note
    }
}
