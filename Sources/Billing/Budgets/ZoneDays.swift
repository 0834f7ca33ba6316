import FoundationEssentials
package import Kernel

/// The days of a zone, for whoever sums by them.
package struct ZoneDays: Sendable {
    private static let microsecondsPerDay: Int64 = 86_400_000_000

    private let local: LocalTime

    /// - Returns: nil for what is no zone of the IANA database.
    package init?(zone: String) {
        guard let local = LocalTime(zone: zone) else { return nil }
        self.local = local
    }

    /// When a day such as `2026-11-21` begins in the zone; nil for what is no day.
    package func begin(of text: String) -> Instant? {
        guard text.utf8.count == 10, let date = try? Date.ISO8601FormatStyle().parse(text + "T00:00:00Z") else {
            return nil
        }
        let day = floorDivide(Instant(date).microseconds, Self.microsecondsPerDay)
        guard Self.name(of: day) == text else { return nil }
        return begin(of: day)
    }

    /// `2026-11-21`: the day that it is in the zone.
    package func name(at instant: Instant) -> String { Self.name(of: local.day(at: instant.seconds)) }

    /// The days that lie between, the first and the last one cut to it; nil for more than `most`.
    package func days(from: Instant, until: Instant, most: Int) -> [(begins: Instant, ends: Instant)]? {
        var days: [(begins: Instant, ends: Instant)] = []
        var begins = from
        while begins < until {
            guard days.count < most else { return nil }
            // A date that comes twice, where clocks are set back across midnight, is one day.
            let ends = min(until, max(begin(of: local.day(at: begins.seconds) + 1), begins + .seconds(1)))
            days.append((begins, ends))
            begins = ends
        }
        return days
    }

    private func begin(of day: Int64) -> Instant { Instant(microseconds: local.begin(ofDay: day) * 1_000_000) }

    private static func name(of day: Int64) -> String {
        String(Instant(microseconds: day * microsecondsPerDay).description.prefix(10))
    }
}
