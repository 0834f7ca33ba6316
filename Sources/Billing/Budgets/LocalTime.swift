import FoundationEssentials

/// A zone's local time as seconds since 1970-01-01 of its own calendar. All times are in whole seconds.
struct LocalTime {
    private static let day: Int64 = 86_400
    private static let hour: Int64 = 3600

    private let zone: TimeZone

    /// - Parameter name: of the IANA database; `UTC`.
    init?(zone name: String) {
        guard name != "UTC" else {
            guard let utc = TimeZone(secondsFromGMT: 0) else { return nil }
            zone = utc
            return
        }
        // Foundation also reads offsets such as `GMT+5`, which no calendar knows.
        let isOffset = name.hasPrefix("GMT") && name.utf8.count > 3
        guard !isOffset, name.utf8.count <= 64, let known = TimeZone(identifier: name) else { return nil }
        zone = known
    }

    func offset(at time: Int64) -> Int64 {
        Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time))))
    }

    func day(at time: Int64) -> Int64 { floorDivide(time + offset(at: time), Self.day) }

    /// The first moment at which the zone's date is `day` or later. Where midnight is skipped, that is after the gap;
    /// where it comes twice, the first one.
    func begin(ofDay day: Int64) -> Int64 {
        let midnight = day * Self.day
        let (from, to) = (midnight - 26 * Self.hour, midnight + 26 * Self.hour)
        let (before, after) = (offset(at: from), offset(at: to))
        guard before != after else { return midnight - after }
        let change = changeOfOffset(between: from, and: to)
        return midnight - before < change ? midnight - before : max(change, midnight - after)
    }

    /// An hour of the clock on the wall. The one that comes twice is two, and one that a change of the offset cuts ends
    /// there.
    func hour(containing time: Int64) -> (begins: Int64, ends: Int64) {
        let offset = offset(at: time)
        var begins = floorDivide(time + offset, Self.hour) * Self.hour - offset
        var ends = begins + Self.hour
        if self.offset(at: begins) != offset { begins = changeOfOffset(between: begins, and: time) }
        if self.offset(at: ends - 1) != offset { ends = changeOfOffset(between: time, and: ends - 1) }
        return (begins, ends)
    }

    /// The first second with the offset that counts at the end.
    private func changeOfOffset(between from: Int64, and to: Int64) -> Int64 {
        let new = offset(at: to)
        var (old, change) = (from, to)
        while change - old > 1 {
            let middle = old + (change - old) / 2
            if offset(at: middle) == new { change = middle } else { old = middle }
        }
        return change
    }
}
