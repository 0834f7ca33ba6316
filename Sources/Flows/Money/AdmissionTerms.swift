import Billing
import Inference
import Kernel

/// What a key's requests to a deployment are admitted by, beside its rules. Told apart by identity: what is equal and
/// not the same is only worked out once more.
struct AdmissionBasis: Sendable {
    let deployment: Deployment
    let operation: Operation
    let books: BooksInForce
    /// Of prices, in force when the request was accepted; nil where nothing is priced.
    let table: PriceTable?
    /// The version of costs, 0 for none.
    let costs: Int
    /// When requests are accepted of which nothing else need be compared; nil where the books must be asked.
    let span: BookSpan?

    init(
        _ deployment: Deployment, _ operation: Operation, _ inForce: BooksInForce, of books: PriceBooks,
        at time: Instant
    ) {
        self.deployment = deployment
        self.operation = operation
        self.books = inForce
        table = books.table(.price, at: time, in: inForce)
        costs = books.table(.cost, at: time, in: inForce)?.version ?? 0
        span = inForce.span(at: time)
    }

    /// Whether it is known to be the same without asking the books what is in force.
    func isSurely(of deployment: Deployment, _ operation: Operation, _ books: BooksInForce, at time: Instant) -> Bool {
        guard let span else { return false }
        return span.contains(time) && self.books === books && isAbout(deployment, operation)
    }

    func isIdentical(to other: AdmissionBasis) -> Bool {
        guard isAbout(other.deployment, other.operation), books === other.books, costs == other.costs else {
            return false
        }
        switch (table, other.table) {
        case (nil, nil): return true
        case (let table?, let other?): return table.isIdentical(to: other)
        case (nil, _), (_, nil): return false
        }
    }

    func isAbout(_ deployment: Deployment, _ operation: Operation) -> Bool {
        self.deployment.isIdentical(to: deployment) && self.operation == operation
    }
}

/// By what a request is priced; for its end. One reference, since its ticket takes it along.
final class AdmissionPricing: Sendable {
    let subject: PricedSubject
    /// Nil where nothing is priced.
    let table: PriceTable?
    let rates: ModelRates?
    /// Versions, 0 for none.
    let prices: Int
    let costs: Int

    init(_ subject: PricedSubject, _ table: PriceTable?, costs: Int) {
        self.subject = subject
        self.table = table
        self.costs = costs
        rates = table?.rates(for: subject)
        prices = table?.version ?? 0
    }
}

/// What all of a key's requests to one deployment have in common, worked out once for them: only amounts and tags
/// differ.
final class AdmissionTerms: Sendable {
    /// What pays for requests that have a price.
    struct Purse: Sendable {
        let currency: Currency
        /// Bears what no fund does; nil where the funds must cover all of it.
        let receivable: AccountID?
    }

    let basis: AdmissionBasis
    let pricing: AdmissionPricing
    /// Budgets that bind the model, whatever their tags: walls, and what only counts.
    let walls: [BoundBudget]
    let counted: [BoundBudget]
    let limits: [RateLimit]
    /// Nil where the model has no price.
    let purse: Purse?

    init(of rules: KeyRules, on basis: AdmissionBasis) {
        self.basis = basis
        let deployment = basis.deployment
        let names = deployment.names
        let subject = PricedSubject(
            model: deployment.model.text,
            provider: deployment.provider.map { basis.books.providers[$0] ?? $0.description },
            operation: basis.operation.rawValue)
        pricing = AdmissionPricing(subject, basis.table, costs: basis.costs)
        walls = rules.hard.filter { $0.binds(names) }
        counted = rules.soft.filter { $0.binds(names) }
        limits = rules.limits(for: names)
        purse = pricing.rates.map { rates in
            let currency = rules.rules.currency ?? rates.currency
            if rules.isPrepaid { return Purse(currency: currency, receivable: nil) }
            return Purse(
                currency: currency,
                receivable: rules.rules.receivables[currency]
                    ?? PlatformAccounts.receivable(of: rules.spender.workspace, .money(currency)))
        }
    }
}
