/// What happened in a run, one line an event: time, actor, event. The hash covers every line; only the newest lines
/// are kept.
package final class Trace {
    package enum Detail: Sendable {
        /// One choice of the scheduler: for comparing two runs.
        case step
        /// Something that a person looks for.
        case event
    }

    /// Off, nothing is formatted, and the hash stays what it is: for runs whose outcome alone is wanted.
    package let isOn: Bool
    package private(set) var count = 0
    private var fnv = FNV()
    private var kept: [String] = []
    private var next = 0
    private let limit: Int

    /// - Parameter limit: lines of events kept; older ones are in the hash only.
    package init(isOn: Bool = true, limit: Int = 20_000) {
        self.isOn = isOn
        self.limit = limit
    }

    package var hash: UInt64 { fnv.value }

    /// The kept events, oldest first.
    package var lines: [String] { Array(kept[next...] + kept[..<next]) }

    func note(_ nanoseconds: Int64, _ actor: String, _ event: String, _ detail: Detail) {
        let line = "\(Self.time(nanoseconds)) \(actor): \(event)"
        fnv.combine(line)
        count += 1
        guard detail == .event else { return }
        if kept.count < limit {
            kept.append(line)
        } else {
            kept[next] = line
            next = (next + 1) % limit
        }
    }

    /// Seconds with microseconds: `12.000250`.
    static func time(_ nanoseconds: Int64) -> String {
        let micro = String(nanoseconds / 1000 % 1_000_000)
        return "\(nanoseconds / 1_000_000_000)." + String(repeating: "0", count: 6 - micro.count) + micro
    }
}
