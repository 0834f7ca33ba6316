package import Billing
import Inference
package import Kernel
import Metrics

/// Decides from this node's memory whether a request may run: its limits, what it may cost by the book in force, and
/// whether that much can be set aside from every wall that binds it and from what pays for it.
///
/// Where memory does not decide, `wait` reads what is missing, takes slices from the ledger, and waits at the wall
/// while what lacks is only set aside for others.
package final class AdmissionFlow: Admission {
    package struct Settings: Sendable {
        /// How long a request waits while what it needs is only set aside.
        package var wallWait = Duration.seconds(2)
        package init() {}
    }

    let cache: SpendingCache
    let books: PriceBooks
    let desk: AdmissionDesk
    let clock: any Clock
    let settings: Settings

    package init(
        cache: SpendingCache, books: PriceBooks, life: NodeLife, counters: any Counters, clock: any Clock,
        settings: Settings = Settings()
    ) {
        self.cache = cache
        self.books = books
        self.clock = clock
        self.settings = settings
        desk = AdmissionDesk(life: life, counters: counters)
    }

    package func needsCap(_ spender: Spender) -> Bool? { cache.rules(for: spender)?.needsCap }

    package func admit(_ request: AdmissionRequest) -> AdmissionAnswer {
        guard let inForce = books.current(for: request.deployment.provider),
            let rules = cache.rules(for: request.spender)
        else { return .undecided }
        do throws(Problem) {
            return try admit(request, plan(request, rules, inForce))
        } catch {
            desk.metrics.refused(error.code)
            return .refused(error, [])
        }
    }

    /// What is set aside goes first, since it comes back without a trace; a place within a limit may not.
    private func admit(_ request: AdmissionRequest, _ plan: AdmissionPlan) throws(Problem) -> AdmissionAnswer {
        let spending: SpendingHold
        switch desk.hold(plan.demand, as: nil) {
        case .held(let held): spending = held
        case .spent(let account, let shortage): throw plan.spent(account, shortage)
        case .behind, .lacking, .uncovered, .over, .stopped: return .undecided
        }
        if plan.terms.limits.isEmpty { return .admitted(ticket(plan, spending, place: nil, [])) }
        switch desk.counters.take(plan.terms.limits, tokens: request.tokens) {
        case .taken(let place, let rates): return .admitted(ticket(plan, spending, place: place, rates))
        case .refused(let state, let retryAfter):
            desk.giveBack(spending)
            desk.metrics.refused(.rateLimited)
            return .refused(.overRate(state, tokens: request.tokens, retryAfter: retryAfter), [state])
        case .unknown:
            desk.giveBack(spending)
            return .undecided
        }
    }

    func ticket(
        _ plan: AdmissionPlan, _ spending: consuming SpendingHold, place: RateTicket?, _ rates: [RateState]
    ) -> SpendingTicket {
        SpendingTicket(plan.terms.pricing, spending, place: place, rates: rates, desk: desk)
    }
}

/// What tickets need to end, and what admission counts. One reference, since every ticket has it.
final class AdmissionDesk: Sendable {
    let life: NodeLife
    let counters: any Counters
    let metrics = AdmissionMetrics()

    init(life: NodeLife, counters: any Counters) {
        self.life = life
        self.counters = counters
    }

    /// A demand that no account guards needs no right to spend, and no lock.
    func hold(_ demand: SpendingDemand, as number: UInt64?) -> SpendingVerdict {
        demand.isGuarded ? life.hold(demand, as: number) : .held(SpendingHold(unguarded: demand))
    }

    func giveBack(_ spending: SpendingHold) { life.giveBack(spending) }

    /// - Parameter tokens: as `Counters.end`.
    func end(_ place: RateTicket, tokens: Int64?) { counters.end(place, tokens: tokens) }
}

/// How admission goes.
struct AdmissionMetrics: Sendable {
    /// Requests that memory did not decide.
    private let waits = Counter(label: "volery_admission_waits_total")
    /// An alarm: tickets that nobody ended.
    private let dropped = Counter(label: "volery_admission_dropped_tickets_total")
    private let spent = AdmissionMetrics.refusals(.quotaExceeded)
    private let limited = AdmissionMetrics.refusals(.rateLimited)
    private let unpriced = AdmissionMetrics.refusals(.priceMissing)
    private let away = AdmissionMetrics.refusals(.storageUnavailable)

    func didWait() { waits.increment() }
    func didDrop() { dropped.increment() }

    func refused(_ code: ErrorCode) {
        switch code {
        case .quotaExceeded: spent.increment()
        case .rateLimited: limited.increment()
        case .priceMissing: unpriced.increment()
        default: away.increment()
        }
    }

    private static func refusals(_ code: ErrorCode) -> Counter {
        Counter(label: "volery_admission_refused_total", dimensions: [("code", code.rawValue)])
    }
}

extension AdmissionPlan {
    func wall(_ account: AccountID) -> (active: ActiveBudget, needed: Int64)? {
        guard let active = rules.hard.first(where: { $0.active.account == account })?.active,
            let part = demand.walls.first(where: { $0.account == account })
        else { return nil }
        return (active, part.amount)
    }

    /// What can be set aside without the right to spend: of a workspace that pays afterwards, where no wall binds.
    var owing: SpendingHold? {
        guard demand.walls.isEmpty, demand.receivable != nil else { return nil }
        return SpendingHold(unguarded: demand)
    }

    /// Those that came first wait as well.
    func behind(_ account: AccountID) -> Problem {
        if wall(account) != nil { return held(account) }
        return demand.asset.map { .creditHeld($0, needed: demand.price) } ?? .tooManyWait
    }

    func spent(_ account: AccountID, _ shortage: EscrowShortage) -> Problem {
        guard let (active, needed) = wall(account) else { return Problem(.quotaExceeded) }
        return .spent(active, shortage, needed: needed)
    }

    /// What is in the way is only set aside.
    func held(_ account: AccountID) -> Problem {
        guard let (active, needed) = wall(account) else { return .tooManyWait }
        return .heldByOthers(active, needed: needed)
    }
}
