package import Kernel

/// The life of one model service, without any I/O: an event changes the state and says what to do next.
///
/// Events that come too late for the state they meet (a download's progress after a stop) change nothing.
package struct ServiceMachine: Sendable {
    package enum Event: Sendable {
        case start
        case fetchProgressed(FetchProgress)
        case fetched
        case prepareProgressed(String)
        case prepared
        case becameReady(Endpoint)
        /// The process ended, or was ended because it did not answer.
        case ended(reason: String)
        /// Fetching or preparing did not work; `isRetryable` when time may help.
        case couldNot(Problem, isRetryable: Bool)
        case backoffElapsed
        case stop
    }

    /// What the supervisor does next. It reports back with exactly one event that ends the effect.
    package enum Effect: Sendable, Equatable {
        case fetch
        case prepare
        case launch(attempt: Int)
        case wait(Duration)
    }

    package private(set) var state: ServiceState = .stopped
    /// Processes that ended by themselves or were ended for not answering, since the machine was made.
    package private(set) var restarts = 0
    package private(set) var since: Instant

    private let policy: RestartPolicy
    private var failures = 0
    private var readySince: Duration?

    package init(policy: RestartPolicy, now: Instant) {
        self.policy = policy
        since = now
    }

    /// - Parameter random: for the jitter of a wait.
    package mutating func apply(_ event: Event, clock: some Clock, random: some RandomSource) -> Effect? {
        let before = state.phase
        defer { if state.phase != before { since = clock.now } }
        switch (event, state) {
        case (.start, .stopped), (.start, .failed):
            failures = 0
            state = .fetching(nil)
            return .fetch
        case (.fetchProgressed(let progress), .fetching):
            state = .fetching(progress)
        case (.fetched, .fetching):
            state = .preparing("preparing")
            return .prepare
        case (.prepareProgressed(let what), .preparing):
            state = .preparing(what)
        case (.prepared, .preparing):
            let attempt = failures + 1
            state = .starting(attempt: attempt)
            return .launch(attempt: attempt)
        case (.becameReady(let endpoint), .starting):
            readySince = clock.uptime
            state = .ready(endpoint)
        case (.ended(let reason), .starting), (.ended(let reason), .ready):
            restarts += 1
            return backOff(reason, clock: clock, random: random)
        case (.couldNot(let problem, isRetryable: true), .fetching),
            (.couldNot(let problem, isRetryable: true), .preparing):
            return backOff(problem.message, clock: clock, random: random)
        case (.couldNot(let problem, isRetryable: false), .fetching),
            (.couldNot(let problem, isRetryable: false), .preparing),
            (.couldNot(let problem, isRetryable: false), .starting):
            state = .failed(problem)
        case (.couldNot(let problem, isRetryable: true), .starting), (.couldNot(let problem, isRetryable: _), .ready):
            restarts += 1
            return backOff(problem.message, clock: clock, random: random)
        case (.backoffElapsed, .backingOff):
            // From the beginning: what is there already costs nothing, and what was removed meanwhile comes back.
            state = .fetching(nil)
            return .fetch
        case (.stop, .starting), (.stop, .ready):
            state = .stopping
        case (.ended, .stopping), (.stop, .fetching), (.stop, .preparing), (.stop, .backingOff), (.stop, .failed):
            state = .stopped
        case (.start, _), (.fetchProgressed, _), (.fetched, _), (.prepareProgressed, _), (.prepared, _),
            (.becameReady, _), (.ended, _), (.couldNot, _), (.backoffElapsed, _), (.stop, _):
            break
        }
        return nil
    }

    private mutating func backOff(_ reason: String, clock: some Clock, random: some RandomSource) -> Effect {
        if let readySince, clock.uptime - readySince >= policy.stableAfter { failures = 0 }
        readySince = nil
        failures += 1
        let wait = policy.wait(afterFailures: failures, random: random)
        state = .backingOff(
            Backoff(
                until: clock.now + wait, failures: failures, reason: reason,
                isCrashLoop: failures >= policy.crashLoopAfter))
        return .wait(wait)
    }
}

extension RestartPolicy {
    /// Doubles from `initial` to `maximum`. Between half and the whole of it is waited, so that services that failed
    /// together do not all come back in the same moment.
    package func wait(afterFailures failures: Int, random: some RandomSource) -> Duration {
        var whole = initial
        for _ in 1..<max(2, failures) where failures > 1 && whole < maximum { whole = whole * 2 }
        whole = min(whole, maximum)
        let half = UInt64(max(1, whole.microseconds / 2))
        return .microseconds(Int64(half + random.next(below: half + 1)))
    }
}
