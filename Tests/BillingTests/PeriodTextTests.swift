import Billing
import Kernel
import Testing

@Suite struct PeriodTextTests {
    @Test(
        "a period is written as it was read",
        arguments: [
            "total", "hour", "day", "week", "month", "year", "rolling:30d", "rolling:24h", "rolling:7d", "rolling:90m",
            "rolling:10m", "rolling:366d", "rolling:36h",
        ])
    func names(text: String) throws {
        let period = try BudgetPeriod(text, zone: "Asia/Tehran", calendar: "jalali")
        #expect(period.name == text)
        #expect(BudgetPeriod(described: period.description) == period)
        #expect(try BudgetPeriod(period.name, zone: period.zone, calendar: period.calendar?.rawValue) == period)
    }

    @Test func `a calendar is UTC's and Gregorian unless told`() throws {
        #expect(try BudgetPeriod("month") == .calendar(.month, zone: "UTC", calendar: .gregorian))
        #expect(
            try BudgetPeriod("day", zone: "Asia/Tehran", calendar: "jalali").description == "day jalali Asia/Tehran")
        #expect(try BudgetPeriod("rolling:24h") == .rolling(.seconds(86_400)))
    }

    @Test(
        "what is no period is refused by its name",
        arguments: [
            "", "monthly", "Total", "rolling", "rolling:", "rolling:d", "rolling:-1d", "rolling:1y", "rolling:1.5h",
            "rolling:٣d", "rolling:9999999d", "rolling:5m", "rolling:367d", "month jalali",
        ])
    func refused(text: String) {
        let problem = #expect(throws: Problem.self) { try BudgetPeriod(text) }
        #expect(problem?.code == .validationError && problem?.parameter == "period")
    }

    @Test(
        "what is no zone is refused by its name",
        arguments: ["", "Mars/Olympus", "GMT+5", "+03:30", "asia/tehran", "Asia/Tehran\n"])
    func zones(zone: String) {
        let problem = #expect(throws: Problem.self) { try BudgetPeriod("month", zone: zone) }
        #expect(problem?.code == .validationError && problem?.parameter == "zone")
        #expect(problem?.message.contains("time zone") == true)
        #expect(throws: Problem.self) { try BudgetPeriod("month", calendar: "hebrew") }
    }

    @Test func `a row that says something else is no period`() {
        for text in ["month", "rolling:30d x", "month jalali", "fortnight jalali UTC", "month lunar UTC", ""] {
            #expect(BudgetPeriod(described: text) == nil, "\(text)")
        }
    }

    @Test func `a rolling window moves by a sixtieth of it`() throws {
        #expect(try BudgetPeriod("rolling:30d").step == .seconds(12 * 3600))
        #expect(try BudgetPeriod("rolling:10m").step == .seconds(10))
        #expect(try BudgetPeriod("month").step == nil)
    }
}
