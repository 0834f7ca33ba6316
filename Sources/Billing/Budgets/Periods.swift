package import Kernel

extension BudgetPeriod {
    /// The period that something accepted at `instant` belongs to: from `begins` on, up to before `ends`. Periods of a
    /// budget follow each other without a gap.
    /// - Returns: nil for a budget whose period does not end.
    package func interval(containing instant: Instant) -> (begins: Instant, ends: Instant)? {
        guard case .calendar(let unit, let zone, let kind) = self else { return nil }
        // A zone that this system does not know any more must not lift a wall.
        guard let local = LocalTime(zone: zone) ?? LocalTime(zone: "UTC") else { return nil }
        let second = floorDivide(instant.microseconds, microsecondsPerSecond)
        let (begins, ends): (Int64, Int64)
        if unit == .hour {
            (begins, ends) = local.hour(containing: second)
        } else {
            (begins, ends) = Self.days(of: unit, CivilCalendar(kind: kind), local, containing: second)
        }
        return (
            Instant(microseconds: begins * microsecondsPerSecond), Instant(microseconds: ends * microsecondsPerSecond)
        )
    }

    /// Goes by the borders and not by the date at that moment: where clocks are set back across midnight, a date comes
    /// twice.
    private static func days(
        of unit: CalendarUnit, _ calendar: CivilCalendar, _ local: LocalTime, containing second: Int64
    ) -> (begins: Int64, ends: Int64) {
        var span = calendar.span(of: unit, containing: local.day(at: second))
        var (begins, ends) = (local.begin(ofDay: span.first), local.begin(ofDay: span.next))
        while second < begins {
            span = calendar.span(of: unit, containing: span.first - 1)
            (begins, ends) = (local.begin(ofDay: span.first), begins)
        }
        while second >= ends {
            span = calendar.span(of: unit, containing: span.next)
            (begins, ends) = (ends, local.begin(ofDay: span.next))
        }
        return (begins, ends)
    }
}

private let microsecondsPerSecond: Int64 = 1_000_000

// MARK: - Rolling

extension BudgetPeriod {
    /// A rolling window moves in so many steps.
    package static let steps: Int64 = 60
    /// A step of the shortest is ten seconds; nobody settles for longer than the rest of the window.
    package static let rollingWindows: ClosedRange<Duration> = .seconds(600)...(.seconds(366 * 86_400))

    /// How far a rolling window moves at a time; nil for every other period.
    package var step: Duration? {
        guard case .rolling(let window) = self else { return nil }
        return .microseconds(window.microseconds / Self.steps)
    }
}
