import Billing
import Inference
import Kernel
import Synchronization

/// One request's right to run: what is set aside for it, and its place within the limits. Both end with it, also when
/// it is only dropped.
final class SpendingTicket: AdmissionTicket {
    private static let (running, ended, closed): (UInt8, UInt8, UInt8) = (0, 1, 2)

    let hold: Hold
    let rates: [RateState]
    private let spending: SpendingHold
    private let pricing: AdmissionPricing
    private let place: RateTicket?
    private let desk: AdmissionDesk
    private let state = Atomic(SpendingTicket.running)

    private let left: Mutex<Amount?>

    var remaining: Amount? { left.withLock { $0 } }

    init(
        _ pricing: AdmissionPricing, _ spending: SpendingHold, place: RateTicket?, rates: [RateState],
        desk: AdmissionDesk
    ) {
        hold = Hold(prices: pricing.prices, costs: pricing.costs, parts: spending.parts)
        left = Mutex(spending.remaining)
        self.pricing = pricing
        self.spending = spending
        self.place = place
        self.rates = rates
        self.desk = desk
    }

    deinit {
        switch state.load(ordering: .acquiring) {
        case Self.running:
            desk.metrics.didDrop()
            giveBack()
        case Self.ended: desk.life.leave(spending)
        default: break
        }
    }

    func end(_ record: UsageRecord?) -> Money? {
        if let record { return end(with: record) }
        if leaveRunning(for: Self.closed) { giveBack() }
        return nil
    }

    func end(with record: UsageRecord) -> Money? {
        guard leaveRunning(for: Self.ended) else { return nil }
        let capture = AdmissionCapture(of: ChargeRules.charged(record), from: hold, pricing)
        desk.life.end(spending, captured: capture.amounts)
        left.withLock { $0 = spending.remaining(after: capture.amounts) }
        if let place {
            let (tokens, overflow) = record.usage.inputTokens.addingReportingOverflow(record.usage.outputTokens)
            desk.end(place, tokens: overflow ? .max : Int64(tokens))
        }
        return capture.price
    }

    /// - Returns: whether nobody did before.
    private func leaveRunning(for next: UInt8) -> Bool {
        state.compareExchange(expected: Self.running, desired: next, ordering: .acquiringAndReleasing).exchanged
    }

    func close() {
        let (isFirst, _) = state.compareExchange(
            expected: Self.ended, desired: Self.closed, ordering: .acquiringAndReleasing)
        if isFirst { desk.life.leave(spending) }
    }

    /// Nothing was begun: everything comes back.
    private func giveBack() {
        desk.life.giveBack(spending)
        if let place { desk.end(place, tokens: nil) }
    }
}
