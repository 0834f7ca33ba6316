import Kernel

/// Calls and failures of the last seconds. Pure.
package struct OutlierWindow: Sendable, Hashable {
    package struct Counts: Sendable, Hashable {
        package var calls = 0
        package var failures = 0

        package init(calls: Int = 0, failures: Int = 0) {
            self.calls = calls
            self.failures = failures
        }
    }

    package static let length = Duration.seconds(30)
    private static let half = length / 2

    private var now = Counts()
    private var before = Counts()
    private var began: Duration?

    package init() {}

    package mutating func count(failure: Bool, at uptime: Duration) {
        turn(at: uptime)
        now.calls += 1
        if failure { now.failures += 1 }
    }

    package func counts(at uptime: Duration) -> Counts {
        var copy = self
        copy.turn(at: uptime)
        return Counts(calls: copy.now.calls + copy.before.calls, failures: copy.now.failures + copy.before.failures)
    }

    /// Two halves: the older is dropped when the newer is over.
    private mutating func turn(at uptime: Duration) {
        guard let began else { return self.began = uptime }
        let passed = uptime - began
        guard passed >= Self.half else { return }
        before = passed < Self.length ? now : Counts()
        now = Counts()
        self.began = uptime
    }
}

/// Which deployments of a service do far worse than the others. Pure.
package struct OutlierRule: Sendable, Hashable {
    /// Calls that one must have had in the window to be judged, or to be compared with.
    package var leastCalls = 20
    /// How much larger its share of failures must be than the others' together.
    package var excess = 0.25
    package var pause = Duration.seconds(30)
    /// The most of a service's deployments that may be out, as a share; never all of them.
    package var mostOut = 0.5

    package init() {}

    /// - Parameters:
    ///   - counts: one for each deployment of the service.
    ///   - out: which are out already.
    /// - Returns: the places of those that are to be ejected now.
    package func ejections(_ counts: [OutlierWindow.Counts], out: [Bool]) -> [Int] {
        precondition(counts.count == out.count)
        let allowed = min(Int(mostOut * Double(counts.count)), counts.count - 1) - out.count { $0 }
        guard allowed > 0 else { return [] }
        let judged = counts.indices.filter { !out[$0] && counts[$0].calls >= leastCalls }
        let worse = judged.filter { place in
            let others = judged.filter { $0 != place }
            let calls = others.reduce(0) { $0 + counts[$1].calls }
            guard calls > 0 else { return false }
            let failures = others.reduce(0) { $0 + counts[$1].failures }
            let own = Double(counts[place].failures) / Double(counts[place].calls)
            return own > Double(failures) / Double(calls) + excess
        }
        return Array(worse.stableSorted { counts[$0].failures > counts[$1].failures }.prefix(allowed))
    }
}
