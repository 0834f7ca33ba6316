import Kernel

/// A mean that forgets: what was measured a half-life ago counts half of what is measured now. A burst of samples at
/// one moment moves it less than the same samples over time, since each counts by the time that it stands for.
package struct LatencyMean: Sendable, Hashable {
    package static let halfLife = Duration.seconds(10)
    /// What is older says nothing any more: it is tried anew.
    package static let memory = Duration.seconds(120)
    /// The least part of a sample that comes right after another.
    private static let least = 0.05

    private var microseconds = 0.0
    private var at: Duration?

    package init() {}

    /// - Parameter uptime: of a clock that only goes forward.
    package mutating func note(_ sample: Duration, at uptime: Duration) {
        let value = Double(max(0, sample.microseconds))
        if let at, uptime - at < Self.memory {
            // 2^(-t/halfLife), by the first terms of its series: exact at 0, and near enough elsewhere.
            let ratio = Double((uptime - at).microseconds) / Double(Self.halfLife.microseconds)
            let part = max(Self.least, ratio / (1 + ratio))
            microseconds += part * (value - microseconds)
        } else {
            microseconds = value
        }
        at = uptime
    }

    /// Nil while nothing, or nothing lately, was measured.
    package func value(at uptime: Duration) -> Duration? {
        guard let at, uptime - at < Self.memory else { return nil }
        return .microseconds(Int64(microseconds))
    }
}
