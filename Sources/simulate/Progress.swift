import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How far the seeds are: a line that is drawn over on a terminal, and nothing elsewhere.
struct Progress {
    private let total: Int
    private let isLive = isatty(STDERR_FILENO) == 1
    private let begin = ContinuousClock().now
    private var done = 0
    private var news = 0
    private var shownAt = ContinuousClock().now

    init(total: Int) { self.total = total }

    /// - Returns: whether it is time to tell somebody.
    mutating func add(_ count: Int, isSilent: Bool = false) -> Bool {
        done += count
        news += count
        let now = ContinuousClock().now
        guard now - shownAt > .milliseconds(250) || done == total else { return false }
        shownAt = now
        if isLive, !isSilent {
            Output.talk("\r\u{1B}[K\(done) of \(total) runs, \(rate(now)) a second, \(rest(now)) left")
        }
        return true
    }

    /// What was added since the last call.
    mutating func takeNews() -> Int {
        defer { news = 0 }
        return news
    }

    func end() { if isLive { Output.talk("\r\u{1B}[K") } }

    var summary: String {
        let now = ContinuousClock().now
        return "\(done) runs, none failed, in \(text(now - begin)) (\(rate(now)) a second)"
    }

    private func rate(_ now: ContinuousClock.Instant) -> Int {
        Int(Double(done) / max(0.001, (now - begin) / .seconds(1)))
    }

    private func rest(_ now: ContinuousClock.Instant) -> String {
        text((now - begin) * Double(total - done) / Double(max(1, done)))
    }

    private func text(_ duration: Duration) -> String {
        let seconds = duration / .seconds(1)
        return seconds < 100 ? "\(Int(seconds * 10) / 10).\(Int(seconds * 10) % 10) s" : "\(Int(seconds / 60)) min"
    }
}
