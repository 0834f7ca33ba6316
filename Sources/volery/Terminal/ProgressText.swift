import App
import Fleet

/// One line that says how far a download is: what for, bytes, rate, time to go. Pure text.
enum ProgressText {
    private static let barWidth = 20

    /// For a live terminal of `width` columns.
    static func line(_ name: String, _ progress: FetchProgress, width: Int) -> String {
        let parts = [name, bar(progress), facts(progress), "\(progress.file) from \(progress.source)"]
        return String(Terminal.printable(parts.filter { !$0.isEmpty }.joined(separator: "  ")).prefix(width - 1))
    }

    /// For a log or a file, where every line stays.
    static func plain(_ name: String, _ progress: FetchProgress) -> String {
        Terminal.printable("\(name): \(progress.file) from \(progress.source): \(facts(progress))")
    }

    /// Per cent, 0 to 100; nil when the size is not known.
    static func percent(_ progress: FetchProgress) -> Int? {
        guard let total = progress.total, total > 0 else { return nil }
        return Int((Double(min(max(0, progress.done), total)) / Double(total) * 100).rounded(.down))
    }

    private static func bar(_ progress: FetchProgress) -> String {
        guard let percent = percent(progress) else { return "" }
        let full = percent * barWidth / 100
        let number = String(repeating: " ", count: percent < 10 ? 2 : percent < 100 ? 1 : 0) + "\(percent) %"
        return "[\(String(repeating: "#", count: full))\(String(repeating: ".", count: barWidth - full))] \(number)"
    }

    private static func facts(_ progress: FetchProgress) -> String {
        var facts = ByteCount.text(progress.done)
        if let total = progress.total { facts += " of \(ByteCount.text(total))" }
        if progress.bytesPerSecond > 0 { facts += ", \(ByteCount.text(Int64(progress.bytesPerSecond)))/s" }
        if let eta = progress.eta, progress.done < progress.total ?? 0 { facts += ", \(time(eta)) to go" }
        return facts
    }

    /// `4:07`, or `1:02:09` from an hour on.
    static func time(_ seconds: Double) -> String {
        let whole = Int(min(max(0, seconds), 359_999).rounded(.up))
        let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
        let tail = rest < 10 ? "0\(rest)" : "\(rest)"
        guard hours > 0 else { return "\(minutes):\(tail)" }
        return "\(hours):\(minutes < 10 ? "0" : "")\(minutes):\(tail)"
    }
}
