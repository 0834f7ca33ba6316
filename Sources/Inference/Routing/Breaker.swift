/// Whether a deployment is left alone for a time, since it failed too often. Pure: it is told the time, of a clock that
/// only goes forward.
///
///     closed ──too many failures──> open ──its time is over──> half open ──the probe succeeds──> closed
///                                    ^                            │
///                                    └──────the probe fails───────┘
package struct Breaker: Sendable, Hashable {
    package struct Settings: Sendable, Hashable {
        /// So many failures in a row open it.
        package var failuresInRow = 5
        /// So do failures of this share of the calls of a window, of which there must be as many as `leastCalls`.
        package var share = 0.5
        package var leastCalls = 20
        package var window = Duration.seconds(10)
        /// How long it is open the first time; each failed probe doubles it.
        package var pause = Duration.seconds(5)
        package var longestPause = Duration.seconds(300)
        /// A probe that has not ended by then is not waited for: whoever made it may be gone.
        package var probeTime = Duration.seconds(60)

        package init() {}
    }

    private enum State: Sendable, Hashable {
        case closed
        /// - Parameter times: how often in a row it was opened.
        case open(until: Duration, times: Int)
        case probing(until: Duration, times: Int)
    }

    package let settings: Settings
    private var state = State.closed
    private var inRow = 0
    private var now = Counts()
    private var before = Counts()
    private var windowBegan: Duration
    /// Of the settings' window: a division of times is long, and every answer asks.
    private let halfWindow: Duration

    private struct Counts: Sendable, Hashable {
        var calls = 0
        var failures = 0
    }

    package init(settings: Settings = Settings(), at uptime: Duration) {
        self.settings = settings
        windowBegan = uptime
        halfWindow = settings.window / 2
    }

    package func health(at uptime: Duration) -> RoutingSignal.Health {
        switch state {
        case .closed: .good
        case .open(let until, _): uptime < until ? .open : .good
        case .probing(let until, _): uptime < until ? .probing : .good
        }
    }

    /// Before a call: the first after a pause is the probe.
    /// - Returns: false while it is left alone, and while somebody else's probe is under way.
    package mutating func enter(at uptime: Duration) -> Bool {
        switch state {
        case .closed: return true
        case .open(let until, let times), .probing(let until, let times):
            guard uptime >= until else { return false }
            state = .probing(until: uptime + settings.probeTime, times: times)
            return true
        }
    }

    package mutating func succeeded(at uptime: Duration) {
        // One that was sent before it opened says nothing of how it does now.
        if case .open = state { return }
        if case .probing = state { forget(at: uptime) }
        inRow = 0
        count(failure: false, at: uptime)
    }

    package mutating func failed(at uptime: Duration) {
        switch state {
        case .open: return
        case .probing(_, let times): open(at: uptime, times: times + 1)
        case .closed:
            inRow += 1
            count(failure: true, at: uptime)
            let (calls, failures) = (now.calls + before.calls, now.failures + before.failures)
            let isOften = calls >= settings.leastCalls && Double(failures) >= settings.share * Double(calls)
            if inRow >= settings.failuresInRow || isOften { open(at: uptime, times: 1) }
        }
    }

    /// A call ended without telling anything, as when its client left.
    package mutating func gaveUp(at uptime: Duration) {
        // The next one probes.
        if case .probing(_, let times) = state { state = .open(until: uptime, times: times) }
    }

    private mutating func open(at uptime: Duration, times: Int) {
        let doubled = settings.pause * (1 << min(times - 1, 20))
        state = .open(until: uptime + min(doubled, settings.longestPause), times: times)
        inRow = 0
        (now, before) = (Counts(), Counts())
    }

    private mutating func forget(at uptime: Duration) {
        state = .closed
        (now, before) = (Counts(), Counts())
        windowBegan = uptime
    }

    /// Two halves of a window: the older is dropped when the newer is over.
    private mutating func count(failure: Bool, at uptime: Duration) {
        if uptime - windowBegan >= halfWindow {
            before = uptime - windowBegan < settings.window ? now : Counts()
            now = Counts()
            windowBegan = uptime
        }
        now.calls += 1
        if failure { now.failures += 1 }
    }
}
