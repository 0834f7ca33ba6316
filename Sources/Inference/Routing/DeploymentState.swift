package import Kernel
import Synchronization

/// How a call to a deployment ended, as far as it tells something of the deployment.
package enum CallOutcome: Sendable, Hashable {
    case answered
    /// It could not be reached, was silent, broke off, or answered with what is no answer.
    case failed
    /// It said that it has too much to do.
    case overloaded
    /// Its client left, or the request was no good: it says nothing of the deployment.
    case unknown
}

/// How one deployment does, as this node sees it: what runs there, how fast it was, whether it is left alone. Shared by
/// all event loops, and asked for every request: each call holds its lock for some dozen instructions.
package final class DeploymentState: Sendable {
    fileprivate struct State {
        var firstToken = LatencyMean()
        var perToken = LatencyMean()
        var running = 0
        var breaker: Breaker
        var adaptive: AdaptiveLimit?
        var most: Int?
        var probe: Probe?
        var outliers = OutlierWindow()
        var ejectedUntil: Duration?
        var ejections = 0
    }

    fileprivate struct Probe {
        var isGood: Bool
        var at: Instant
    }

    package let id: DeploymentID
    private let state: Mutex<State>

    package init(_ id: DeploymentID, breaker: Breaker.Settings = Breaker.Settings(), at uptime: Duration) {
        self.id = id
        state = Mutex(State(breaker: Breaker(settings: breaker, at: uptime)))
    }

    /// Takes over what was registered.
    package func bind(_ concurrency: DeploymentTerms.Concurrency?) {
        state.withLock { state in
            state.most = concurrency?.most
            switch concurrency {
            case .adaptive(let most) where state.adaptive == nil: state.adaptive = AdaptiveLimit(most: most)
            case .adaptive: break
            case .fixed, nil: state.adaptive = nil
            }
        }
    }

    package func signal(at uptime: Duration) -> RoutingSignal {
        state.withLock { state in
            RoutingSignal(
                firstToken: state.firstToken.value(at: uptime), perToken: state.perToken.value(at: uptime),
                running: state.running, limit: state.limit, health: state.health(at: uptime))
        }
    }

    /// Takes a place before a call; every success is paired with one `leave`.
    /// - Returns: false when there is none any more, or somebody else's probe is under way.
    package func enter(at uptime: Duration) -> Bool {
        state.withLock { state in
            if let limit = state.limit, state.running >= limit { return false }
            guard state.breaker.enter(at: uptime) else { return false }
            state.running += 1
            return true
        }
    }

    package func leave(_ outcome: CallOutcome, at uptime: Duration) {
        state.withLock { state in
            state.running -= 1
            switch outcome {
            case .answered:
                state.breaker.succeeded(at: uptime)
                state.outliers.count(failure: false, at: uptime)
            case .failed:
                state.breaker.failed(at: uptime)
                state.outliers.count(failure: true, at: uptime)
            case .overloaded:
                state.breaker.failed(at: uptime)
                state.adaptive?.overloaded(at: uptime)
            case .unknown: state.breaker.gaveUp(at: uptime)
            }
        }
    }

    /// From the call to the first byte of its answer.
    package func note(firstToken: Duration, at uptime: Duration) {
        state.withLock { state in
            state.firstToken.note(firstToken, at: uptime)
            state.adaptive?.answered(in: firstToken, running: state.running, at: uptime)
        }
    }

    package func note(perToken: Duration, at uptime: Duration) {
        state.withLock { $0.perToken.note(perToken, at: uptime) }
    }

    /// What a question for its health came to.
    package func probed(isGood: Bool, at now: Instant) {
        state.withLock { $0.probe = Probe(isGood: isGood, at: now) }
    }

    package var running: Int { state.withLock { $0.running } }

    // MARK: Outliers

    /// Calls and failures of the last window.
    func outliers(at uptime: Duration) -> OutlierWindow.Counts { state.withLock { $0.outliers.counts(at: uptime) } }

    func isEjected(at uptime: Duration) -> Bool { state.withLock { $0.isEjected(at: uptime) } }

    /// Longer each time.
    func eject(for pause: Duration, at uptime: Duration) {
        state.withLock { state in
            state.ejections = min(state.ejections + 1, 10)
            state.ejectedUntil = uptime + pause * state.ejections
            state.outliers = OutlierWindow()
        }
    }

    func doesWell(at uptime: Duration) {
        state.withLock { state in
            if !state.isEjected(at: uptime), state.ejections > 0 { state.ejections -= 1 }
        }
    }

    /// What people are shown.
    package func health(at uptime: Duration) -> (health: RoutingSignal.Health, probed: Instant?) {
        state.withLock { ($0.health(at: uptime), $0.probe?.at) }
    }
}

extension DeploymentState.State {
    fileprivate var limit: Int? { adaptive?.value ?? most }

    fileprivate func isEjected(at uptime: Duration) -> Bool { ejectedUntil.map { uptime < $0 } ?? false }

    fileprivate func health(at uptime: Duration) -> RoutingSignal.Health {
        let breaker = breaker.health(at: uptime)
        if breaker != .good { return breaker }
        if isEjected(at: uptime) { return .ejected }
        if let probe, !probe.isGood { return .failing }
        return .good
    }
}
