/// Days of the calendars that budgets go by, as numbers since 1970-01-01. Pure integer arithmetic: a period's border
/// must be the same on every node, whatever its system knows of calendars.
struct CivilCalendar: Sendable {
    let kind: BudgetPeriod.CalendarKind

    /// The first day of the period that `day` is in, and of the next one.
    func span(of unit: BudgetPeriod.CalendarUnit, containing day: Int64) -> (first: Int64, next: Int64) {
        switch unit {
        case .hour, .day:
            return (day, day + 1)
        case .week:
            // 1970-01-01 was a Thursday.
            let sinceFirst = floorModulo(day + (kind == .jalali ? 5 : 3), 7)
            return (day - sinceFirst, day - sinceFirst + 7)
        case .month:
            let (year, month) = yearAndMonth(of: day)
            return (firstDay(year, month), month == 12 ? firstDay(year + 1, 1) : firstDay(year, month + 1))
        case .year:
            let year = yearAndMonth(of: day).year
            return (firstDay(year, 1), firstDay(year + 1, 1))
        }
    }

    private func yearAndMonth(of day: Int64) -> (year: Int64, month: Int64) {
        switch kind {
        case .gregorian: Gregorian.yearAndMonth(of: day)
        case .jalali: Jalali.yearAndMonth(of: day)
        }
    }

    private func firstDay(_ year: Int64, _ month: Int64) -> Int64 {
        switch kind {
        case .gregorian: Gregorian.firstDay(year, month)
        case .jalali: Jalali.firstDay(year, month)
        }
    }
}

/// Years begin in March within, so that a leap day is the last one.
/// Source: https://howardhinnant.github.io/date_algorithms.html
private enum Gregorian {
    static func yearAndMonth(of day: Int64) -> (year: Int64, month: Int64) {
        let shifted = day + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month)
    }

    static func firstDay(_ year: Int64, _ month: Int64) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let marchMonth = month <= 2 ? month + 9 : month - 3
        let era = floorDivide(marchYear, 400)
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * marchMonth + 2) / 5
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// Iran's solar calendar. Its years begin with the spring in Tehran; from 1210 to 1501 (2123-03) the cycle of 33 years
/// with 8 leap years falls on the same days as the astronomers' tables, and as ICU. After that some years would begin
/// a day apart.
private enum Jalali {
    /// 1404-01-01 is 2025-03-21.
    private static let origin: Int64 = 20_168 - 1403 * 365 - (8 * 1404 + 21) / 33

    static func yearAndMonth(of day: Int64) -> (year: Int64, month: Int64) {
        var year = floorDivide((day - origin) * 33, 12_053) + 1
        while firstDay(year, 1) > day { year -= 1 }
        while firstDay(year + 1, 1) <= day { year += 1 }
        let dayOfYear = day - firstDay(year, 1)
        return (year, dayOfYear < 186 ? dayOfYear / 31 + 1 : (dayOfYear - 186) / 30 + 7)
    }

    /// Six months of 31 days, then of 30; the last one has 29 but in leap years.
    static func firstDay(_ year: Int64, _ month: Int64) -> Int64 {
        let yearBegins = origin + (year - 1) * 365 + floorDivide(8 * year + 21, 33)
        return yearBegins + (month <= 7 ? (month - 1) * 31 : 186 + (month - 7) * 30)
    }
}

func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    value >= 0 ? value / divisor : (value - divisor + 1) / divisor
}

func floorModulo(_ value: Int64, _ divisor: Int64) -> Int64 { value - floorDivide(value, divisor) * divisor }
