import Billing
import Inference
import Kernel

/// What a request needs, worked out from its rules and the book in force.
struct AdmissionPlan {
    let rules: KeyRules
    let demand: SpendingDemand
    let pricing: AdmissionPricing
    let limits: [RateLimit]
}

/// By what a request is priced; for its end.
struct AdmissionPricing: Sendable {
    let subject: PricedSubject
    /// Nil where nothing is priced.
    let table: PriceTable?
    let rates: ModelRates?
    /// Versions, 0 for none.
    let prices: Int
    let costs: Int
}

extension AdmissionFlow {
    /// - Throws: `PRICE_MISSING` where a wall or prepaid credit needs a price that is not there, and `QUOTA_EXCEEDED`
    ///   where the figure does not even fit.
    func plan(_ request: AdmissionRequest, _ rules: KeyRules) throws(Problem) -> AdmissionPlan {
        let subject = books.subject(of: request.deployment, operation: request.operation)
        let table = books.table(.price, at: request.accepted)
        let pricing = AdmissionPricing(
            subject: subject, table: table, rates: table?.rates(for: subject), prices: table?.version ?? 0,
            costs: books.table(.cost, at: request.accepted)?.version ?? 0)
        var demand = SpendingDemand()
        if !rules.rules.budgets.isEmpty { try addBudgets(of: rules, for: request, pricing, to: &demand) }
        if table != nil { try addPurse(of: rules, for: request, pricing, to: &demand) }
        return AdmissionPlan(
            rules: rules, demand: demand, pricing: pricing, limits: rules.limits(for: request.deployment.names))
    }

    private func addBudgets(
        of rules: KeyRules, for request: AdmissionRequest, _ pricing: AdmissionPricing, to demand: inout SpendingDemand
    ) throws(Problem) {
        let names = request.deployment.names
        for bound in rules.hard where bound.binds(names, request.tags) {
            // What needs a price counts nothing while there is no book.
            let most = try ceiling(of: bound.budget.asset, request, pricing) { failure throws(Problem) -> Int64? in
                guard pricing.table != nil else { return nil }
                throw .priceMissing(names.own, budget: bound.budget, failure)
            }
            guard let most, most > 0 else { continue }
            demand.budgets.append(
                Hold.Part(
                    role: .budget, account: bound.active.account, escrow: nil, amount: most,
                    asset: bound.budget.asset))
            demand.ends.append(bound.active.ends)
            demand.limits.append(bound.budget.amount)
        }
        demand.walls = demand.budgets.count
        for bound in rules.soft where bound.binds(names, request.tags) {
            demand.budgets.append(
                Hold.Part(
                    role: .budget, account: bound.active.account, escrow: nil, amount: 0, asset: bound.budget.asset))
        }
    }

    private func addPurse(
        of rules: KeyRules, for request: AdmissionRequest, _ pricing: AdmissionPricing, to demand: inout SpendingDemand
    ) throws(Problem) {
        guard let rates = pricing.rates else {
            if rules.isPrepaid { throw .priceMissing(request.deployment.model.text, budget: nil) }
            return
        }
        let currency = rules.rules.currency ?? rates.currency
        demand.asset = .money(currency)
        demand.funds = rules.rules.funds
        if !rules.isPrepaid {
            demand.receivable =
                rules.rules.receivables[currency]
                ?? PlatformAccounts.receivable(of: request.spender.workspace, .money(currency))
            if demand.funds.isEmpty { return }
        }
        let most = try ceiling(of: .money(currency), request, pricing) { failure throws(Problem) -> Int64? in
            if rules.isPrepaid { throw .priceMissing(request.deployment.model.text, budget: nil, failure) }
            return nil
        }
        // What it may cost is not known: nothing of it can be set aside.
        demand.price = most ?? 0
    }

    /// At most so much of the asset is used.
    /// - Parameter unpriced: what to answer where the book does not say, with why if its prices do not lead there.
    private func ceiling(
        of asset: Asset, _ request: AdmissionRequest, _ pricing: AdmissionPricing,
        unpriced: (PricingFailure?) throws(Problem) -> Int64?
    ) throws(Problem) -> Int64? {
        if let quantity = request.ceiling[asset] { return quantity }
        guard let currency = asset.currency else {
            guard let umu = pricing.table?.mostUMU(of: request.ceiling, for: pricing.subject) else {
                return try unpriced(nil)
            }
            return umu.millionths
        }
        guard let rates = pricing.rates else { return try unpriced(nil) }
        do throws(PricingFailure) {
            return try rates.ceiling(of: request.ceiling, in: currency)
        } catch {
            switch error {
            case .overflow: return .max
            case .noRate, .unpriced: return try unpriced(error)
            }
        }
    }
}

extension PriceTable {
    /// At least as much as any use within the quantities: a prompt may be all new or all cached, an answer all said or
    /// all thought.
    fileprivate func mostUMU(of ceiling: Quantities, for subject: PricedSubject) -> UMU? {
        var most: UMU?
        for isCached in [false, true] {
            for isReasoning in [false, true] {
                var quantities = ceiling
                let prompt = sum(ceiling.input, ceiling.cachedInput)
                let answer = sum(ceiling.output, ceiling.reasoning)
                quantities.input = isCached ? 0 : prompt
                quantities.cachedInput = isCached ? prompt : 0
                quantities.output = isReasoning ? 0 : answer
                quantities.reasoning = isReasoning ? answer : 0
                guard let umu = umu(of: quantities, for: subject) else { continue }
                most = max(most ?? umu, umu)
            }
        }
        return most
    }

    private func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}
