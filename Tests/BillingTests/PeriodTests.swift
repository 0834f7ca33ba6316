import Billing
import Foundation
import Kernel
import TestKit
import Testing

@Suite struct PeriodTests {
    private func at(_ text: String) throws -> Instant {
        try JSONDecoder().decode(Instant.self, from: Data("\"\(text)\"".utf8))
    }

    private func expect(
        _ period: String, zone: String, calendar: String = "gregorian", at instant: String, from begins: String,
        to ends: String, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let period = try BudgetPeriod(period, zone: zone, calendar: calendar)
        let found = try #require(period.interval(containing: try at(instant)), sourceLocation: location)
        #expect(found.begins == (try at(begins)), sourceLocation: location)
        #expect(found.ends == (try at(ends)), sourceLocation: location)
    }

    @Test func `a total and a rolling budget have no end`() throws {
        #expect(try BudgetPeriod("total").interval(containing: at("2026-11-21T08:00:00Z")) == nil)
        #expect(try BudgetPeriod("rolling:30d").interval(containing: at("2026-11-21T08:00:00Z")) == nil)
    }

    @Test func `periods of UTC begin at midnight, on Monday, on the first`() throws {
        let now = "2026-11-21T08:30:15Z"
        try expect("hour", zone: "UTC", at: now, from: "2026-11-21T08:00:00Z", to: "2026-11-21T09:00:00Z")
        try expect("day", zone: "UTC", at: now, from: "2026-11-21T00:00:00Z", to: "2026-11-22T00:00:00Z")
        try expect("week", zone: "UTC", at: now, from: "2026-11-16T00:00:00Z", to: "2026-11-23T00:00:00Z")
        try expect("month", zone: "UTC", at: now, from: "2026-11-01T00:00:00Z", to: "2026-12-01T00:00:00Z")
        try expect("year", zone: "UTC", at: now, from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z")
    }

    @Test func `February has a leap day in 2028 and 2000, and none in 2100`() throws {
        for (year, last) in [("2028", "29"), ("2000", "29"), ("2100", "28"), ("2026", "28")] {
            try expect(
                "day", zone: "UTC", at: "\(year)-02-\(last)T23:59:59Z", from: "\(year)-02-\(last)T00:00:00Z",
                to: "\(year)-03-01T00:00:00Z")
        }
    }

    @Test func `a day has 23 hours when clocks are set forward, and 25 when they are set back`() throws {
        try expect(
            "day", zone: "Europe/Berlin", at: "2026-03-29T10:00:00Z", from: "2026-03-28T23:00:00Z",
            to: "2026-03-29T22:00:00Z")
        try expect(
            "day", zone: "Europe/Berlin", at: "2026-10-25T10:00:00Z", from: "2026-10-24T22:00:00Z",
            to: "2026-10-25T23:00:00Z")
    }

    @Test func `a day whose midnight is skipped begins after the gap`() throws {
        // Clocks went from 00:00 to 01:00.
        try expect(
            "day", zone: "America/Sao_Paulo", at: "2018-11-04T12:00:00Z", from: "2018-11-04T03:00:00Z",
            to: "2018-11-05T02:00:00Z")
        try expect(
            "day", zone: "Asia/Tehran", at: "2022-03-22T12:00:00Z", from: "2022-03-21T20:30:00Z",
            to: "2022-03-22T19:30:00Z")
    }

    @Test func `a day is over once where clocks are set back to before midnight`() throws {
        // 24:00 of the 20th became 23:00 of the 20th.
        try expect(
            "day", zone: "Asia/Tehran", at: "2022-09-21T19:45:00Z", from: "2022-09-20T19:30:00Z",
            to: "2022-09-21T20:30:00Z")
        // 00:01 of the 28th became 23:01 of the 27th: the 28th had begun.
        try expect(
            "day", zone: "America/St_Johns", at: "2007-11-04T02:45:00Z", from: "2007-11-04T02:30:00Z",
            to: "2007-11-05T03:30:00Z")
    }

    @Test func `Tehran has had no summer time since 2023`() throws {
        try expect(
            "day", zone: "Asia/Tehran", at: "2021-07-01T12:00:00Z", from: "2021-06-30T19:30:00Z",
            to: "2021-07-01T19:30:00Z")
        try expect(
            "day", zone: "Asia/Tehran", at: "2026-07-01T12:00:00Z", from: "2026-06-30T20:30:00Z",
            to: "2026-07-01T20:30:00Z")
    }

    @Test func `a day that a zone left out belongs to nobody`() throws {
        // Samoa went from the 29th to the 31st.
        try expect(
            "day", zone: "Pacific/Apia", at: "2011-12-30T09:59:59Z", from: "2011-12-29T10:00:00Z",
            to: "2011-12-30T10:00:00Z")
        try expect(
            "day", zone: "Pacific/Apia", at: "2011-12-30T10:00:00Z", from: "2011-12-30T10:00:00Z",
            to: "2011-12-31T10:00:00Z")
    }

    @Test func `an hour is one of the clock on the wall, and the one that comes twice is two`() throws {
        try expect(
            "hour", zone: "Asia/Kolkata", at: "2026-11-21T08:10:00Z", from: "2026-11-21T07:30:00Z",
            to: "2026-11-21T08:30:00Z")
        try expect(
            "hour", zone: "Europe/Berlin", at: "2026-10-25T00:30:00Z", from: "2026-10-25T00:00:00Z",
            to: "2026-10-25T01:00:00Z")
        try expect(
            "hour", zone: "Europe/Berlin", at: "2026-10-25T01:30:00Z", from: "2026-10-25T01:00:00Z",
            to: "2026-10-25T02:00:00Z")
        // Set back by half an hour, at 02:00 of the summer.
        try expect(
            "hour", zone: "Australia/Lord_Howe", at: "2026-04-04T15:10:00Z", from: "2026-04-04T15:00:00Z",
            to: "2026-04-04T15:30:00Z")
    }

    @Test func `Nowruz of 1404 is 2025-03-21 in Tehran, and of the leap year's next 2026-03-21`() throws {
        let (zone, jalali) = ("Asia/Tehran", "jalali")
        try expect(
            "year", zone: zone, calendar: jalali, at: "2025-03-20T20:30:00Z", from: "2025-03-20T20:30:00Z",
            to: "2026-03-20T20:30:00Z")
        // 1403 had a leap day: Esfand of 30 days.
        try expect(
            "month", zone: zone, calendar: jalali, at: "2025-03-20T20:29:59Z", from: "2025-02-18T20:30:00Z",
            to: "2025-03-20T20:30:00Z")
        try expect(
            "month", zone: zone, calendar: jalali, at: "2026-11-21T08:00:00Z", from: "2026-10-22T20:30:00Z",
            to: "2026-11-21T20:30:00Z")
        // Shahrivar has 31 days, Mehr 30.
        try expect(
            "month", zone: zone, calendar: jalali, at: "2026-09-22T20:29:59Z", from: "2026-08-22T20:30:00Z",
            to: "2026-09-22T20:30:00Z")
    }

    @Test func `a Jalali week begins on Saturday`() throws {
        try expect(
            "week", zone: "Asia/Tehran", calendar: "jalali", at: "2026-11-21T08:00:00Z", from: "2026-11-20T20:30:00Z",
            to: "2026-11-27T20:30:00Z")
    }

    /// Foundation knows the same calendars in its own way.
    @Test(
        "months and years begin where another calendar says so, from 1970 to 2120",
        arguments: [BudgetPeriod.CalendarKind.gregorian, .jalali])
    func differential(kind: BudgetPeriod.CalendarKind) throws {
        var calendar = Calendar(identifier: kind == .jalali ? .persian : .gregorian)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: 0))
        let month = BudgetPeriod.calendar(.month, zone: "UTC", calendar: kind)
        let year = BudgetPeriod.calendar(.year, zone: "UTC", calendar: kind)
        var now = Instant(microseconds: 0)
        var months = 0
        while now < Instant(microseconds: 4_733_510_400_000_000) {
            let found = try #require(month.interval(containing: now))
            let date = Date(timeIntervalSince1970: Double(found.begins.seconds))
            let parts = calendar.dateComponents([.day, .month, .hour], from: date)
            #expect(parts.day == 1 && parts.hour == 0, "\(found)")
            let last = calendar.dateComponents(
                [.month], from: Date(timeIntervalSince1970: Double(found.ends.seconds) - 1))
            #expect(last.month == parts.month, "\(found)")
            if parts.month == 1 { #expect(year.interval(containing: now)?.begins == found.begins) }
            now = found.ends
            months += 1
        }
        #expect(months >= 12 * 149)
    }

    @Test("periods follow each other without a gap, wherever and whenever", arguments: [1, 2, 3] as [UInt64])
    func tiling(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        let zones = TimeZone.knownTimeZoneIdentifiers
        for _ in 0..<1000 {
            let zone = zones[Int(random.next(below: UInt64(zones.count)))]
            let unit = BudgetPeriod.CalendarUnit.allCases[Int(random.next(below: 5))]
            let kind = BudgetPeriod.CalendarKind.allCases[Int(random.next(below: 2))]
            let period = BudgetPeriod.calendar(unit, zone: zone, calendar: kind)
            let now = Instant(microseconds: Int64(random.next(below: 4_700_000_000_000_000)))
            let words: Comment = "seed \(seed): \(period) at \(now)"
            let found = try #require(period.interval(containing: now), words)
            #expect(found.begins <= now && now < found.ends, words)
            let step = Duration.microseconds(1)
            #expect(try #require(period.interval(containing: found.begins)) == found, words)
            #expect(try #require(period.interval(containing: found.ends - step)) == found, words)
            #expect(try #require(period.interval(containing: found.ends)).begins == found.ends, words)
            #expect(try #require(period.interval(containing: found.begins - step)).ends == found.begins, words)
        }
    }
}
