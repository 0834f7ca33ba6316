package import Kernel

extension BudgetPeriod {
    /// Reads a period as people write it: `total`, `hour`, `day`, `week`, `month`, `year`, `rolling:30d`.
    /// - Parameters:
    ///   - zone: of the IANA database, `UTC` unless told. Means nothing where the period has no calendar.
    ///   - calendar: `gregorian` unless told, whose weeks begin on Monday, or `jalali`, whose weeks begin on Saturday.
    /// - Throws: `VALIDATION_ERROR` that names what is wrong.
    package init(_ text: String, zone: String? = nil, calendar: String? = nil) throws(Problem) {
        let zone = zone ?? "UTC"
        guard LocalTime(zone: zone) != nil else {
            throw Problem(
                .validationError, "\(quoted(zone)) is no time zone of the IANA database.", parameter: "zone",
                hint: "Write it as Asia/Tehran, Europe/Berlin or UTC.")
        }
        guard let kind = CalendarKind(rawValue: calendar ?? CalendarKind.gregorian.rawValue) else {
            throw Problem(
                .validationError, "\(quoted(calendar ?? "")) is no calendar.", parameter: "calendar",
                hint: "Use gregorian or jalali.")
        }
        if text == "total" {
            self = .total
        } else if let unit = CalendarUnit(rawValue: text) {
            self = .calendar(unit, zone: zone, calendar: kind)
        } else if let window = Self.window(text) {
            guard Self.rollingWindows.contains(window) else {
                throw Problem(
                    .validationError, "A rolling window has 10 minutes to 366 days.", parameter: "period",
                    hint: "Use rolling:10m to rolling:366d; for shorter times there are rate limits.")
            }
            self = .rolling(window)
        } else {
            throw Problem(
                .validationError, "\(quoted(text)) is no period.", parameter: "period",
                hint: "Use total, hour, day, week, month, year, or a window such as rolling:30d or rolling:24h.")
        }
    }

    private static func window(_ text: String) -> Duration? {
        guard text.hasPrefix("rolling:"), let unit = text.last else { return nil }
        let digits = text.dropFirst("rolling:".count).dropLast()
        guard (1...6).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int64(digits)
        else { return nil }
        return windowUnits.first { $0.name == unit }.map { .seconds(count * $0.seconds) }
    }

    private static let windowUnits: [(name: Character, seconds: Int64)] = [("d", 86_400), ("h", 3600), ("m", 60)]

    /// `month`, `rolling:30d`: as `init` reads it, without zone and calendar.
    package var name: String {
        switch self {
        case .total: return "total"
        case .calendar(let unit, _, _): return unit.rawValue
        case .rolling(let window):
            let seconds = window.components.seconds
            // `rolling:24h` is what people say for a day.
            let isDay = seconds == 86_400
            let unit = Self.windowUnits.first { seconds % $0.seconds == 0 && !(isDay && $0.name == "d") }
            return unit.map { "rolling:\(seconds / $0.seconds)\($0.name)" } ?? "rolling:\(seconds / 60)m"
        }
    }

    package var zone: String? { if case .calendar(_, let zone, _) = self { zone } else { nil } }

    package var calendar: CalendarKind? { if case .calendar(_, _, let kind) = self { kind } else { nil } }
}

extension BudgetPeriod: CustomStringConvertible {
    /// All of it in one text, `month jalali Asia/Tehran`: as it stands in rows.
    package var description: String {
        [name, calendar?.rawValue, zone].compactMap(\.self).joined(separator: " ")
    }

    /// Reads what `description` wrote.
    package init?(described text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        switch words.count {
        case 1:
            guard let period = try? BudgetPeriod(words[0]), period.calendar == nil else { return nil }
            self = period
        case 3:
            guard let unit = CalendarUnit(rawValue: words[0]), let kind = CalendarKind(rawValue: words[1]) else {
                return nil
            }
            self = .calendar(unit, zone: words[2], calendar: kind)
        default:
            return nil
        }
    }
}

/// Words of a caller's in a message: short, and in one line.
func quoted(_ text: String) -> String {
    let short = String(text.prefix(40)).filter { !$0.isNewline }
    return "\"\(short)\(text.count > 40 ? "…" : "")\""
}
