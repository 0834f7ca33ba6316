/// Bytes per second over the last few seconds, and when to say so.
struct Rate {
    static let window: Duration = .seconds(5)
    static let reportEvery: Duration = .milliseconds(200)

    private var marks: [(at: Duration, bytes: Int64)]
    private var reported: Duration?

    init(now: Duration, bytes: Int64) { marks = [(now, bytes)] }

    /// - Returns: the rate when it is time for a report, else nil.
    mutating func report(now: Duration, bytes: Int64) -> Double? {
        if let reported, now - reported < Rate.reportEvery { return nil }
        reported = now
        marks.append((now, bytes))
        while marks.count > 2, now - marks[0].at > Rate.window { marks.removeFirst() }
        return perSecond
    }

    var perSecond: Double {
        guard let first = marks.first, let last = marks.last, last.at > first.at else { return 0 }
        let elapsed = last.at - first.at
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        return Double(last.bytes - first.bytes) / seconds
    }
}
