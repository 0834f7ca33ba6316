import Billing
import Inference
import Kernel

/// The way round by the database, and the wait at the wall.
extension AdmissionFlow {
    package func wait(_ request: AdmissionRequest) async throws -> AdmissionAnswer {
        desk.metrics.didWait()
        let visit = AdmissionVisit(self, request)
        do {
            let answer = try await visit.decide()
            if case .refused(let problem, _) = answer { desk.metrics.refused(problem.code) }
            return answer
        } catch let problem as Problem {
            desk.metrics.refused(problem.code)
            return .refused(problem, [])
        }
    }
}

/// One request on its way through `wait`. Whatever it took comes back unless it is admitted.
private final class AdmissionVisit {
    /// Waiting in a line needs no looking round; this is for what nobody rings for.
    private static let longestPause = Duration.milliseconds(500)
    private static let poll = Duration.milliseconds(50)

    private let flow: AdmissionFlow
    private let request: AdmissionRequest
    private let deadline: Duration
    private let place: NodeLife.Place
    private var accounts: [AccountID] = []
    private var rate: (place: RateTicket, states: [RateState])?
    private var askedWantAt: Duration?
    private var hasForgotten = false

    private var life: NodeLife { flow.desk.life }

    init(_ flow: AdmissionFlow, _ request: AdmissionRequest) {
        self.flow = flow
        self.request = request
        deadline = flow.clock.uptime + flow.settings.wallWait
        place = flow.desk.life.newPlace()
    }

    func decide() async throws -> AdmissionAnswer {
        defer { leave() }
        var answer: AdmissionAnswer?
        do {
            while answer == nil {
                try Task.checkCancellation()
                answer = try await look()
            }
        } catch {
            endRate()
            throw error
        }
        if case .refused = answer { endRate() }
        return answer ?? .undecided
    }

    /// - Returns: nil to look again.
    private func look() async throws -> AdmissionAnswer? {
        if !flow.books.isLoaded { try await flow.books.refresh() }
        try await flow.books.meet(request.deployment.provider)
        // Again in every round: a budget may have been raised meanwhile, or its period have ended.
        let rules = try await flow.cache.load(request.spender) { [life] in life.note($0) }
        let plan = try flow.plan(request, rules, flow.books.current)
        if let refusal = try await takeRate(plan.terms.limits) { return refusal }
        let verdict = flow.desk.hold(plan.demand, as: place.number)
        switch line(up: verdict.line(of: plan.demand)) {
        case .unchanged: break
        // Who was before it may have left before it stood there.
        case .changed: return nil
        case .full: return refusal(.tooManyWait)
        }
        switch verdict {
        case .held(let spending):
            return .admitted(flow.ticket(plan, spending, place: rate?.place, rate?.states ?? []))
        case .spent(let account, let shortage): return refusal(plan.spent(account, shortage))
        case .behind(let account): return try await pause(atMost: Self.longestPause) { plan.behind(account) }
        case .lacking(let lack):
            if try await take(lack, plan) { return nil }
            try await want([lack.account])
            return try await pause(atMost: Self.poll) { plan.held(lack.account) }
        case .uncovered(_, let unspent):
            guard let asset = plan.demand.asset else { return refusal(Problem(.quotaExceeded)) }
            if unspent < plan.demand.price {
                return refusal(.creditSpent(asset, left: unspent, needed: plan.demand.price))
            }
            try await want(plan.demand.funds.map(\.account))
            return try await pause(atMost: Self.poll) { .creditHeld(asset, needed: plan.demand.price) }
        case .over: return try await readAnew()
        case .stopped:
            if let unguarded = plan.owing, life.hasBegun {
                return .admitted(flow.ticket(plan, unguarded, place: rate?.place, rate?.states ?? []))
            }
            return try await pause(atMost: Self.poll) { .mayNotSpend }
        }
    }

    /// - Returns: whether something has changed.
    private func take(_ lack: SpendingLack, _ plan: AdmissionPlan) async throws -> Bool {
        do {
            return try await life.take(lack)
        } catch let problem as Problem {
            // Who pays afterwards owes what credit does not pay: its requests need not wait for the ledger.
            guard lack.isCredit, plan.demand.receivable != nil else { throw problem }
            life.change { $0.passOver(lack, at: $1) }
            return true
        }
    }

    private func refusal(_ problem: Problem) -> AdmissionAnswer { .refused(problem, rate?.states ?? []) }

    private func takeRate(_ limits: [RateLimit]) async throws -> AdmissionAnswer? {
        guard rate == nil, !limits.isEmpty else { return nil }
        switch try await flow.desk.counters.request(limits, tokens: request.tokens) {
        case .taken(let place, let states):
            rate = (place, states)
            return nil
        case .refused(let state, let retryAfter):
            return .refused(.overRate(state, tokens: request.tokens, retryAfter: retryAfter), [state])
        case .unknown: throw Problem(.overloaded, retryAfter: 1)
        }
    }

    private func endRate() {
        if let rate { flow.desk.counters.end(rate.place, tokens: nil) }
        rate = nil
    }

    /// A period is over. Right at its end the ledger may still be in the old one, by its own clock.
    private func readAnew() async throws -> AdmissionAnswer? {
        flow.cache.forget(request.spender.key)
        defer { hasForgotten = true }
        return hasForgotten ? try await pause(atMost: Self.poll) { .mayNotSpend } : nil
    }

    // MARK: Waiting

    private enum Step { case unchanged, changed, full }

    /// Stands where it is held up, and nowhere else: others may want what is not.
    private func line(up needed: [AccountID]) -> Step {
        guard needed != accounts else { return .unchanged }
        leave()
        if needed.isEmpty { return .unchanged }
        guard life.enter(place, needed) else { return .full }
        accounts = needed
        return .changed
    }

    private func leave() {
        if !accounts.isEmpty { life.leave(place, accounts) }
        accounts = []
    }

    private func pause(atMost limit: Duration, _ problem: () -> Problem) async throws -> AdmissionAnswer? {
        let left = deadline - flow.clock.uptime
        guard left > .zero else { return refusal(problem()) }
        try await place.bell.wait(atMost: min(limit, left), flow.clock)
        return nil
    }

    /// Tells the nodes that hold the rest. Once for each half of a second: they look no oftener.
    private func want(_ accounts: [AccountID]) async throws {
        let uptime = flow.clock.uptime
        if let askedWantAt, uptime - askedWantAt < Self.longestPause { return }
        askedWantAt = uptime
        try await life.want(accounts)
    }
}

extension SpendingVerdict {
    /// Whose waiting lines somebody with this verdict stands in.
    fileprivate func line(of demand: SpendingDemand) -> [AccountID] {
        switch self {
        case .behind(let account): [account]
        case .lacking(let lack): [lack.account]
        case .uncovered: demand.funds.map(\.account)
        case .held, .spent, .over, .stopped: []
        }
    }
}
