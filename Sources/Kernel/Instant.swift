public import FoundationEssentials

/// A point in time: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
public struct Instant: Hashable, Sendable, Comparable {
    public let microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    public init(_ date: Date) { microseconds = Int64((date.timeIntervalSince1970 * 1_000_000).rounded()) }

    public var milliseconds: Int64 { microseconds / 1000 }

    public var seconds: Int64 { microseconds / 1_000_000 }

    public static func < (left: Instant, right: Instant) -> Bool { left.microseconds < right.microseconds }

    public static func + (instant: Instant, duration: Duration) -> Instant {
        Instant(microseconds: instant.microseconds + duration.microseconds)
    }

    public static func - (instant: Instant, duration: Duration) -> Instant {
        Instant(microseconds: instant.microseconds - duration.microseconds)
    }

    public static func - (left: Instant, right: Instant) -> Duration {
        .microseconds(left.microseconds - right.microseconds)
    }
}

extension Instant: CustomStringConvertible {
    /// RFC 3339 in UTC with milliseconds: `2026-11-21T08:30:00.125Z`.
    public var description: String {
        String(unsafeUninitializedCapacity: longestText) { write(to: $0) }
    }

    /// Of a year that has another number of digits than four.
    private func unusual(_ date: (year: Int64, month: Int64, day: Int64), _ second: Int64, _ rest: Int64) -> String {
        "\(date.year)-\(padded(date.month))-\(padded(date.day))T\(padded(second / 3600)):"
            + "\(padded(second / 60 % 60)):\(padded(second % 60)).\(padded(rest, 3))Z"
    }
}

extension Instant: TextWritable {
    /// Years have at most six digits and a sign.
    public var longestText: Int { 28 }

    /// Every line of the log has one: without a text in between.
    public func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let milliseconds = floorDivide(microseconds, by: 1000)
        let seconds = floorDivide(milliseconds, by: 1000)
        let days = floorDivide(seconds, by: 86_400)
        let date = civilDate(daysSince1970: days)
        let second = seconds - days * 86_400
        var place = 0
        guard (0...9999).contains(date.year) else {
            for byte in unusual(date, second, milliseconds - seconds * 1000).utf8 {
                buffer[place] = byte
                place += 1
            }
            return place
        }
        func put(_ value: Int64, _ width: Int, then mark: Unicode.Scalar) {
            var rest = value
            for digit in stride(from: place + width - 1, through: place, by: -1) {
                buffer[digit] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
            buffer[place + width] = UInt8(ascii: mark)
            place += width + 1
        }
        put(date.year, 4, then: "-")
        put(date.month, 2, then: "-")
        put(date.day, 2, then: "T")
        put(second / 3600, 2, then: ":")
        put(second / 60 % 60, 2, then: ":")
        put(second % 60, 2, then: ".")
        put(milliseconds - seconds * 1000, 3, then: "Z")
        return place
    }
}

private func floorDivide(_ value: Int64, by divisor: Int64) -> Int64 {
    value >= 0 ? value / divisor : (value - divisor + 1) / divisor
}

private func padded(_ value: Int64, _ width: Int = 2) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

/// The proleptic Gregorian date. Written here because every log line has one, and Foundation's formatter costs more
/// than all the rest of the line. Years begin in March within, so that a leap day is the last one.
private func civilDate(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = floorDivide(shifted, by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
}

extension Instant: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: text.contains("."))
        guard let date = try? style.parse(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an RFC 3339 time")
        }
        self.init(date)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Duration {
    /// Rounded towards zero.
    public var microseconds: Int64 { Int64(whole(twos: 12, fives: 244_140_625)) }

    /// Rounded towards zero.
    public var nanoseconds: Int64 { Int64(whole(twos: 9, fives: 1_953_125)) }

    /// The same, for times that may be longer than 292 years.
    public var clampedNanoseconds: Int64 { Int64(clamping: whole(twos: 9, fives: 1_953_125)) }

    /// Attoseconds divided by 2^twos * fives, towards zero. A request asks it some twenty times, and a division of 128
    /// bits is a call: of what is neither negative nor longer than two hours, the twos are shifted out first, and the
    /// rest is divided in 64 bits.
    private func whole(twos: Int128, fives: UInt64) -> Int128 {
        let attoseconds = attoseconds
        let shifted = attoseconds >> twos
        if shifted >= 0, shifted <= Int128(UInt64.max) {
            return Int128(UInt64(truncatingIfNeeded: shifted) / fives)
        }
        return attoseconds / (Int128(fives) << twos)
    }

    public var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
