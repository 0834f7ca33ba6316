import Billing
import Flows
import Inference
import Kernel
import Synchronization

/// Budgets and limits that say what a test tells them, and remember each ticket. Without a word they let everything in.
final class ScriptedAdmission: Admission {
    enum Verdict: Sendable {
        case admit
        case refuse(Problem, [RateState] = [])
        /// Memory does not know; whoever waits gets what `decide` says.
        case undecided
        /// As `undecided`, and whoever waits stays deaf to its cancellation.
        case deaf
    }

    private struct State {
        var verdict = Verdict.admit
        var needsCap: Bool? = false
        var hold = Hold.none
        var price: Money?
        var remaining: Amount?
        var rates: [RateState] = []
        var requests: [AdmissionRequest] = []
        var tickets: [ScriptedTicket] = []
        var waiting: [Int: CheckedContinuation<Bool, any Error>] = [:]
        var lastWait = 0
        var tape: Tape?
    }

    private let state = Mutex(State())

    func needsCap(_ spender: Spender) -> Bool? { state.withLock { $0.needsCap } }

    func admit(_ request: AdmissionRequest) -> AdmissionAnswer {
        state.withLock { state in
            state.requests.append(request)
            switch state.verdict {
            case .admit: return .admitted(Self.ticket(&state))
            case .refuse(let problem, let rates): return .refused(problem, rates)
            case .undecided, .deaf: return .undecided
            }
        }
    }

    func wait(_ request: AdmissionRequest) async throws -> AdmissionAnswer {
        let number = state.withLock { state in
            state.lastWait += 1
            return state.lastWait
        }
        let isAdmitted = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                state.withLock { $0.waiting[number] = continuation }
                if Task.isCancelled { stopWaiting(number) }
            }
        } onCancel: {
            stopWaiting(number)
        }
        return state.withLock { state in
            if isAdmitted { return .admitted(Self.ticket(&state)) }
            guard case .refuse(let problem, let rates) = state.verdict else {
                return .refused(Problem(.quotaExceeded), [])
            }
            return .refused(problem, rates)
        }
    }

    private func stopWaiting(_ number: Int) {
        let waiter = state.withLock { state -> CheckedContinuation<Bool, any Error>? in
            if case .deaf = state.verdict { return nil }
            return state.waiting.removeValue(forKey: number)
        }
        waiter?.resume(throwing: CancellationError())
    }

    private static func ticket(_ state: inout State) -> ScriptedTicket {
        let ticket = ScriptedTicket(
            hold: state.hold, price: state.price, remaining: state.remaining, rates: state.rates, tape: state.tape)
        state.tickets.append(ticket)
        return ticket
    }

    // MARK: For tests

    func write(on tape: Tape) { state.withLock { $0.tape = tape } }

    func say(_ verdict: Verdict) { state.withLock { $0.verdict = verdict } }

    func charge(
        _ price: Money?, hold: Hold = .none, remaining: Amount? = nil, rates: [RateState] = []
    ) {
        state.withLock { state in
            state.price = price
            state.hold = hold
            state.remaining = remaining
            state.rates = rates
        }
    }

    func needCap(_ isNeeded: Bool?) { state.withLock { $0.needsCap = isNeeded } }

    /// Answers those that wait.
    func decide(admits: Bool) {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        for waiter in waiting { waiter.resume(returning: admits) }
    }

    var waiting: Int { state.withLock { $0.waiting.count } }
    var requests: [AdmissionRequest] { state.withLock { $0.requests } }
    var tickets: [ScriptedTicket] { state.withLock { $0.tickets } }
    /// What each ticket was ended with, in the order of the tickets.
    var ends: [[UsageRecord?]] { tickets.map(\.ends) }
}

final class ScriptedTicket: AdmissionTicket {
    let hold: Hold
    let rates: [RateState]
    let remaining: Amount?
    private let price: Money?
    private let tape: Tape?
    private let ended = Mutex<[UsageRecord?]>([])

    init(hold: Hold, price: Money?, remaining: Amount?, rates: [RateState], tape: Tape?) {
        self.hold = hold
        self.price = price
        self.remaining = remaining
        self.rates = rates
        self.tape = tape
    }

    func end(_ record: UsageRecord?) -> Money? {
        ended.withLock { $0.append(record) }
        tape?.add(.ticketEnd(hasRecord: record != nil))
        return record == nil ? nil : price
    }

    func close() { tape?.add(.ticketClose) }

    var ends: [UsageRecord?] { ended.withLock { $0 } }
}
