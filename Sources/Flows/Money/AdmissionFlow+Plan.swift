import Billing
import Inference
import Kernel

/// What a request needs, worked out from its rules and the book in force.
struct AdmissionPlan {
    let rules: KeyRules
    let terms: AdmissionTerms
    let demand: SpendingDemand
}

extension AdmissionFlow {
    /// - Throws: `PRICE_MISSING` where a wall or prepaid credit needs a price that is not there, and `QUOTA_EXCEEDED`
    ///   where the figure does not even fit.
    func plan(
        _ request: AdmissionRequest, _ rules: KeyRules, _ inForce: BooksInForce
    ) throws(Problem) -> AdmissionPlan {
        let terms = rules.terms(
            on: request.deployment, request.operation, inForce, of: books, at: request.accepted)
        var demand = SpendingDemand()
        try addBudgets(of: terms, for: request, to: &demand)
        if terms.pricing.table != nil { try addPurse(of: rules, terms, for: request, to: &demand) }
        return AdmissionPlan(rules: rules, terms: terms, demand: demand)
    }

    private func addBudgets(
        of terms: AdmissionTerms, for request: AdmissionRequest, to demand: inout SpendingDemand
    ) throws(Problem) {
        // Of the wall before: mostly all are of one asset.
        var last: (asset: Asset, most: Int64?)?
        for bound in terms.walls where bound.binds(request.tags) {
            let asset = bound.budget.asset
            if last?.asset != asset {
                // What needs a price counts nothing while there is no book.
                let most = try ceiling(of: asset, request, terms.pricing) { failure throws(Problem) -> Int64? in
                    guard terms.pricing.table != nil else { return nil }
                    throw .priceMissing(request.deployment.names.own, budget: bound.budget, failure)
                }
                last = (asset, most)
            }
            guard let most = last?.most, most > 0 else { continue }
            demand.walls.append(
                SpendingDemand.Wall(
                    account: bound.active.account, asset: asset, amount: most, ends: bound.active.ends,
                    limit: bound.budget.amount))
        }
        for bound in terms.counted where bound.binds(request.tags) {
            demand.counted.append(
                Hold.Part(
                    role: .budget, account: bound.active.account, escrow: nil, amount: 0, asset: bound.budget.asset))
        }
    }

    private func addPurse(
        of rules: KeyRules, _ terms: AdmissionTerms, for request: AdmissionRequest, to demand: inout SpendingDemand
    ) throws(Problem) {
        guard let purse = terms.purse else {
            if rules.isPrepaid { throw .priceMissing(request.deployment.model.text, budget: nil) }
            return
        }
        let asset = Asset.money(purse.currency)
        demand.asset = asset
        demand.funds = rules.rules.funds
        demand.receivable = purse.receivable
        if purse.receivable != nil, demand.funds.isEmpty { return }
        let most = try ceiling(of: asset, request, terms.pricing) { failure throws(Problem) -> Int64? in
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
