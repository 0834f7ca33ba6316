import FoundationEssentials
import Kernel

/// When an upstream wants to be asked again.
enum RetryAfter {
    /// Seconds; what is further away is not waited for by anybody.
    private static let most = 3600
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// RFC 9110, section 10.2.3: seconds, or a date. A date that has passed is 0.
    /// - Returns: nil where the field is missing or neither.
    static func seconds(_ headers: some HeaderLookup, at now: Instant) -> Int? {
        guard let text = headers.first(name: "retry-after") else { return nil }
        if let seconds = Int(text) { return min(max(seconds, 0), most) }
        guard let then = date(text) else { return nil }
        let (microseconds, overflow) = then.microseconds.subtractingReportingOverflow(now.microseconds)
        guard !overflow, microseconds > 0 else { return 0 }
        return Int(min((microseconds - 1) / 1_000_000 + 1, Int64(most)))
    }

    /// `Fri, 31 Dec 2049 23:59:59 GMT`, the form that section 5.6.7 asks of everybody.
    private static func date(_ text: String) -> Instant? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", words[1].count == 2, words[3].count == 4,
            let month = months.firstIndex(where: { $0 == words[2] })
        else { return nil }
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        let date = try? Date("\(words[3])-\(number)-\(words[1])T\(words[4])Z", strategy: .iso8601)
        return date.map(Instant.init)
    }
}
