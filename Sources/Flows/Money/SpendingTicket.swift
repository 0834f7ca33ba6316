import Billing
import Inference
import Kernel
import Synchronization

/// One request's right to run: what is set aside for it, and its place within the limits. Both end with it, also when
/// it is only dropped.
final class SpendingTicket: AdmissionTicket {
    let hold: Hold
    let rates: [RateState]
    let remaining: Amount?
    private let pricing: AdmissionPricing
    private let life: Int64?
    private let place: RateTicket?
    private let desk: AdmissionDesk
    private let isOver = Atomic(false)

    init(
        _ plan: AdmissionPlan, _ spending: SpendingHold, place: RateTicket?, rates: [RateState], desk: AdmissionDesk
    ) {
        pricing = plan.pricing
        hold = Hold(prices: plan.pricing.prices, costs: plan.pricing.costs, parts: spending.parts)
        life = spending.life
        remaining = spending.remaining
        self.place = place
        self.rates = rates
        self.desk = desk
    }

    deinit {
        guard !isOver.load(ordering: .acquiring) else { return }
        desk.metrics.didDrop()
        giveBack()
    }

    func end(_ record: UsageRecord?) -> Money? {
        guard !isOver.exchange(true, ordering: .acquiringAndReleasing) else { return nil }
        guard let record else {
            giveBack()
            return nil
        }
        let capture = AdmissionCapture(of: record, from: hold, pricing)
        if let life { desk.life.end(hold.parts, captured: capture.amounts, life: life) }
        if let place {
            let (tokens, overflow) = record.usage.inputTokens.addingReportingOverflow(record.usage.outputTokens)
            desk.counters.end(place, tokens: overflow ? .max : Int64(tokens))
        }
        return capture.price
    }

    /// Nothing was begun: everything comes back.
    private func giveBack() {
        if let life {
            desk.life.end(hold.parts, captured: [Int64](repeating: 0, count: hold.parts.count), life: life)
        }
        if let place { desk.counters.end(place, tokens: nil) }
    }
}
