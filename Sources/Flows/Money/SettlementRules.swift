import Billing
import Inference
import Kernel

/// What is posted for one finished request: a pure function of its record and of the books that its hold names, so that
/// it comes out the same whoever settles it, and however often. Who pays for what stands in `ChargeRules`.
///
/// | of the request             | transfer                      | from, to                                           |
/// |----------------------------|-------------------------------|----------------------------------------------------|
/// | a purse's share            | `<request>/charge/<part>`     | the part's account to `revenue`                    |
/// | what no part pays          | `<request>/excess`            | `loss` to `revenue`, with an alarm                 |
/// | what a budget counts       | `<request>/count/<part>`      | the budget's account to `consumed`                 |
/// | what an attempt costs      | `<request>/cost/<attempt>`    | the provider's `cost` to its `payable`             |
///
/// Parts with a slice are posted from it, at most what they hold. A wall in money also bounds what is paid: what the
/// tenant's budget does not cover, the tenant does not owe. Usage that has no price goes to suspense.
struct SettlementRules {
    /// What came out, and what somebody must hear of.
    struct Outcome {
        let settlement: Settlement
        /// What the platform bears, since the hold was too small.
        let excess: Money?
        /// Budgets whose asset the books cannot express.
        let uncounted: Int
        /// Of a provider, for its costs: they are opened when they are first needed.
        let accounts: [Account]
    }

    /// What is priced, by whose endpoint served it.
    typealias Subjects = (ProviderID?) -> PricedSubject

    private let request: RequestID
    private let accepted: Instant
    private let hold: Hold
    private let subject: PricedSubject
    private let prices: PriceTable?
    private let costs: PriceTable?
    private let quantities: Quantities
    private var transfers: [Transfer] = []
    /// What the quantities cost, before walls and credit have their say: worked out once for all who ask in its
    /// currency.
    private var priced: Money?
    private var excess: Money?
    private var uncounted = 0
    private var accounts: [Account] = []

    static func settle(
        _ record: UsageRecord, prices: PriceTable?, costs: PriceTable?, as subjects: Subjects
    ) -> Outcome {
        var rules = SettlementRules(record, subjects(record.billing.provider), prices, costs)
        return rules.settle(record, subjects)
    }

    private init(_ record: UsageRecord, _ subject: PricedSubject, _ prices: PriceTable?, _ costs: PriceTable?) {
        request = record.request
        accepted = record.started
        hold = record.billing.hold
        self.subject = subject
        self.prices = prices
        self.costs = costs
        quantities = ChargeRules.charged(record)
        transfers.reserveCapacity(hold.parts.count + record.attempts.count)
    }

    private mutating func settle(_ record: UsageRecord, _ subjects: Subjects) -> Outcome {
        var state = Bill.State.free
        var price: Money?
        var suspended: SuspendedItem?
        let rates = prices?.rates(for: subject)
        if hold.prices > 0 {
            do {
                price = try charge(at: rates)
                state = .charged
            } catch {
                state = .suspended
                suspended = SuspendedItem(
                    request: request, workspace: record.workspace,
                    reason: error == .overflow ? .overflow : .unpriced, amount: nil, accepted: accepted)
            }
        }
        count(at: rates)
        let cost = addCosts(of: record, subjects)
        let bill = Bill(
            state: state, price: price, cost: cost, umu: umu(at: rates), priceVersion: hold.prices,
            costVersion: hold.costs)
        let settlement = Settlement(record: record, bill: bill, transfers: transfers, suspended: suspended)
        return Outcome(settlement: settlement, excess: excess, uncounted: uncounted, accounts: accounts)
    }

    // MARK: Charge

    /// - Returns: what the tenant pays; nil for a request that costs nothing whatever its price.
    private mutating func charge(at rates: ModelRates?) throws(PricingFailure) -> Money? {
        let purse = hold.parts.first { $0.isPurse }?.asset.currency
        guard quantities != Quantities() else { return purse.map { Money(units: 0, $0) } }
        guard let rates else { throw .unpriced(.requests) }
        let currency = purse ?? rates.currency
        let price = try rates.amount(of: quantities, in: currency)
        priced = Money(units: price, currency)
        let payable = try hold.payable(price, in: currency, for: quantities, at: rates)
        let revenue = PlatformAccounts.id(.revenue, .money(currency))
        var rest = max(0, payable)
        for (place, part) in hold.parts.enumerated() where part.isPurse {
            let amount = Capture.pay(rest, from: part)
            rest -= amount
            if amount > 0 { post(amount, of: part, Self.charges[place], .charge, to: revenue) }
        }
        let borne = price - payable + rest
        if borne > 0 {
            excess = Money(units: borne, currency)
            add(
                "excess", .excess, from: PlatformAccounts.id(.loss, .money(currency)), to: revenue,
                Amount(units: borne, .money(currency)))
        }
        return Money(units: price - borne, currency)
    }

    // MARK: Budgets

    private mutating func count(at rates: ModelRates?) {
        guard quantities != Quantities() else { return }
        for (place, part) in hold.parts.enumerated() where !part.isPurse {
            guard let quantity = quantity(of: part.asset, at: rates) else {
                uncounted += 1
                continue
            }
            let amount = Capture.count(quantity, in: part)
            let consumed = PlatformAccounts.id(.consumed, part.asset)
            if amount > 0 { post(amount, of: part, Self.counts[place], .count, to: consumed) }
        }
    }

    private func quantity(of asset: Asset, at rates: ModelRates?) -> Int64? {
        if let quantity = quantities[asset] { return quantity }
        if let priced, priced.currency == asset.currency { return priced.units }
        if let currency = asset.currency { return try? rates?.amount(of: quantities, in: currency) }
        return umu(at: rates)?.millionths
    }

    /// A model that has no price may have UMU.
    private func umu(at rates: ModelRates?) -> UMU? {
        if let rates { return rates.umu(of: quantities) }
        return prices?.umu(of: quantities, for: subject)
    }

    // MARK: Costs

    /// Each attempt by what its own provider says that it took, or else by the book.
    /// - Returns: all attempts together; nil where nothing is known of their price.
    private mutating func addCosts(of record: UsageRecord, _ subjects: Subjects) -> Money? {
        func subject(of attempt: Attempt) -> PricedSubject {
            attempt.provider == record.billing.provider ? self.subject : subjects(attempt.provider)
        }
        var total: Money?
        for attempt in record.attempts {
            let consumed = ChargeRules.consumed(record, by: attempt)
            guard attempt.told != nil || consumed != Quantities() else { continue }
            guard let cost = attempt.told ?? booked(consumed, as: subject(of: attempt)),
                total == nil || total?.currency == cost.currency
            else { return nil }
            total = Money(units: saturatingSum(total?.units ?? 0, cost.units), cost.currency)
            if cost.units > 0 { add(Amount(units: cost.units, .money(cost.currency)), of: attempt) }
        }
        if let total { return total }
        // Nobody did anything: it cost nothing, in whatever it would have cost.
        guard let costs else { return nil }
        return costs.rates(for: record.attempts.last.map(subject(of:)) ?? self.subject)
            .map { Money(units: 0, $0.currency) }
    }

    private func booked(_ consumed: Quantities, as subject: @autoclosure () -> PricedSubject) -> Money? {
        guard let costs, let rates = costs.rates(for: subject()),
            let units = try? rates.amount(of: consumed, in: rates.currency)
        else { return nil }
        return Money(units: units, rates.currency)
    }

    private mutating func add(_ cost: Amount, of attempt: Attempt) {
        let owner = attempt.provider?.description ?? ""
        let spent = PlatformAccounts.account(.cost, cost.asset, subject: owner)
        let payable = PlatformAccounts.account(.payable, cost.asset, subject: owner)
        add("cost/\(attempt.number)", .cost, from: spent.id, to: payable.id, cost)
        if !accounts.contains(spent) { accounts += [spent, payable] }
    }

    private func saturatingSum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }

    // MARK: Transfers

    private mutating func post(
        _ amount: Int64, of part: Hold.Part, _ name: String, _ reason: Transfer.Reason, to: AccountID
    ) {
        transfers.append(
            Transfer(
                id: TransferID(request, name), kind: part.escrow == nil ? .posted : .post, reason: reason,
                debit: part.account, credit: to, amount: Amount(units: amount, part.asset), escrow: part.escrow,
                request: request, accepted: accepted))
    }

    private mutating func add(
        _ name: String, _ reason: Transfer.Reason, from: AccountID, to: AccountID, _ amount: Amount
    ) {
        transfers.append(
            Transfer(
                id: TransferID(request, name), reason: reason, debit: from, credit: to, amount: amount,
                request: request, accepted: accepted))
    }

    private static let charges = PartNames("charge")
    private static let counts = PartNames("count")
}

/// What the transfers of a hold's parts are called. Those of the first are made once: a batch names thousands.
private struct PartNames {
    private let stem: String
    private let first: [String]

    init(_ stem: String) {
        self.stem = stem
        first = (0..<64).map { stem + "/" + String($0) }
    }

    subscript(place: Int) -> String { place < first.count ? first[place] : stem + "/" + String(place) }
}
