import Billing
import Database
import Flows
import Inference
import Kernel
import Tenancy
import TestKit
import Testing

@testable import Stores

/// Usage as it is summed and listed, beside a model that looks at a row at a time.
@Suite struct UsageReportContract {
    @Test("totals are the model's, and each lists the rows that sum to it", arguments: StoreAdapter.databases)
    func totals(adapter: StoreAdapter) async throws {
        let world = try await ReportWorld.open(adapter, seed: 11, rows: 300)
        for _ in 0..<25 {
            let (filter, groups) = (world.filter(), world.groups())
            let days = groups.contains(.day) ? try world.days(of: filter) : []
            let found = try await world.reports.totals(
                in: world.home.id, matching: filter, by: groups, days: days, limit: 10_000)
            let expected = try await world.model.totals(
                in: world.home.id, matching: filter, by: groups, days: days, limit: 10_000)
            #expect(found.count == expected.count && Set(found) == Set(expected), "\(filter), by \(groups)")
            for total in found.prefix(12) {
                let rows = try await everything {
                    try await world.reports.rows(
                        in: world.home.id, matching: filter.narrowed(to: total.group), page: $0)
                }
                #expect(rows.count == total.requests, "\(total.group) of \(filter)")
                #expect(rows.reduce(0) { $0 + $1.record.usage.inputTokens } == total.inputTokens)
                #expect(rows.sums(\.price) == total.prices && rows.sums(\.cost) == total.costs)
            }
        }
    }

    @Test("totals are the same in whatever stretches they are added up", arguments: StoreAdapter.databases)
    func stretches(adapter: StoreAdapter) async throws {
        let world = try await ReportWorld.open(adapter, seed: 15, rows: 120)
        // Some of one moment, which are more than a stretch has.
        for _ in 0..<9 { try await world.add(started: world.begin + .seconds(86_400 * 20)) }
        let all = UsageFilter(from: world.begin, until: world.end)
        let refusal = await code {
            for _ in 0..<UsageStretches.mostStretches { try await world.add(started: nil) }
            _ = try await DatabaseUsageReports(world.database, mostAtOnce: 1)
                .totals(in: world.home.id, matching: all, by: [], days: [], limit: 1)
        }
        #expect(refusal == .validationError, "there are more rows than stretches")
        for most in [4, 50, 128, 129] {
            let reports = DatabaseUsageReports(world.database, mostAtOnce: most)
            let store = DatabaseUsageStore(world.database, mostAtOnce: most)
            for _ in 0..<6 {
                let (filter, groups) = (world.filter(), world.groups())
                let days = groups.contains(.day) ? try world.days(of: filter) : []
                let found = try await reports.totals(
                    in: world.home.id, matching: filter, by: groups, days: days, limit: 10_000)
                let expected = try await world.model.totals(
                    in: world.home.id, matching: filter, by: groups, days: days, limit: 10_000)
                #expect(found.count == expected.count && Set(found) == Set(expected), "\(filter), by \(groups)")
            }
            let summary = try await store.summary(in: world.home.id, days: 30, until: world.end)
            #expect(!summary.isEmpty)
            #expect(try await summary == world.model.summary(in: world.home.id, days: 30, until: world.end))
        }
    }

    @Test("rows come newest first, each once, whatever comes in meanwhile", arguments: StoreAdapter.databases)
    func pages(adapter: StoreAdapter) async throws {
        let world = try await ReportWorld.open(adapter, seed: 12, rows: 40)
        let filter = UsageFilter(from: world.begin, until: world.end + .seconds(10))
        let first = try await world.reports.rows(in: world.home.id, matching: filter, page: PageRequest(limit: 15))
        try await world.add(started: world.end + .seconds(1))
        var (rows, page) = (first.data, first)
        while page.hasMore {
            page = try await world.reports.rows(
                in: world.home.id, matching: filter, page: PageRequest(limit: 15, after: page.lastID))
            rows += page.data
        }
        #expect(Set(rows.map(\.record.request)).count == 40 && rows.count == 40)
        #expect(rows.map(\.record.started.microseconds) == rows.map(\.record.started.microseconds).sorted(by: >))
        let expected = try await world.model.rows(in: world.home.id, matching: filter, page: PageRequest(limit: 99))
        #expect(rows == Array(expected.data.dropFirst()), "what came in meanwhile stands before the first page")
        for after in ["\(world.samples.ids.next(RequestKind.self))", "\(world.foreign)", "key_1"] {
            let refusal = await code {
                _ = try await world.reports.rows(
                    in: world.home.id, matching: filter, page: PageRequest(limit: 5, after: after))
            }
            #expect(refusal == .validationError, "\(after)")
        }
    }

    @Test("days are the zone's own, also where clocks are set back", arguments: StoreAdapter.databases)
    func days(adapter: StoreAdapter) async throws {
        let world = try await ReportWorld.open(adapter, seed: 13, rows: 0)
        let zone = try #require(ZoneDays(zone: "Europe/Berlin"))
        // The day of 25 hours: from 22:00Z of the 24th to 23:00Z of the 25th.
        let midnight = try #require(zone.begin(of: "2026-10-25"))
        let hour = Duration.seconds(3600)
        for (offset, count) in [(-1, 1), (0, 2), (24, 4), (25, 8)] {
            for _ in 0..<count { try await world.add(started: midnight + hour * offset) }
        }
        let filter = UsageFilter(from: midnight - hour * 24, until: midnight + hour * 49)
        let spans = try #require(zone.days(from: filter.from, until: filter.until, most: 366))
            .map { UsageSpan(begins: $0.begins, ends: $0.ends) }
        let totals = try await world.reports.totals(
            in: world.home.id, matching: filter, by: [.day], days: spans, limit: 100)
        let counts = Dictionary(
            uniqueKeysWithValues: try totals.map { (zone.name(at: try #require($0.group.span).begins), $0.requests) })
        #expect(counts == ["2026-10-24": 1, "2026-10-25": 6, "2026-10-26": 8])
    }

    @Test("a report of too many groups is refused, and says so", arguments: StoreAdapter.databases)
    func tooMany(adapter: StoreAdapter) async throws {
        let world = try await ReportWorld.open(adapter, seed: 14, rows: 30)
        let filter = UsageFilter(from: world.begin, until: world.end)
        for groups in [[.key, .model], [.tag], [.user]] as [Set<UsageGroup>] {
            let refusal = await code {
                _ = try await world.reports.totals(
                    in: world.home.id, matching: filter, by: groups, days: [], limit: 2)
            }
            #expect(refusal == .validationError, "\(groups)")
        }
    }
}

/// Random rows in a database and in the model.
private struct ReportWorld: Sendable {
    let samples: Samples
    let home: Workspace
    let reports: DatabaseUsageReports
    let model = MemoryUsageStore()
    let begin: Instant
    let end: Instant
    /// A request of another workspace.
    let foreign: RequestID
    /// Its database lives as long as it.
    private let base: LedgerWorld
    var database: any Database { base.database }
    private let random: SeededRandom
    private let keys: [KeyID]
    private let users: [UserID]

    static func open(_ adapter: StoreAdapter, seed: UInt64, rows: Int) async throws -> ReportWorld {
        let base = try await LedgerWorld.open(adapter)
        let other = try await base.stores.workspace("other")
        let world = ReportWorld(base, seed: seed, foreign: base.samples.ids.next())
        for _ in 0..<rows { try await world.add(started: nil) }
        let record = world.record(world.foreign, in: other, at: world.begin + .seconds(1))
        _ = try await base.ledger.settle([Settlement(record: record, bill: world.bill(), transfers: [], suspended: nil)]
        )
        return world
    }

    private init(_ base: LedgerWorld, seed: UInt64, foreign: RequestID) {
        samples = base.samples
        home = base.home
        reports = DatabaseUsageReports(base.database)
        self.base = base
        random = SeededRandom(seed: seed)
        end = base.clock.now
        begin = base.clock.now - .seconds(40 * 86_400)
        keys = (0..<3).map { _ in base.samples.ids.next() }
        users = (0..<2).map { _ in base.samples.ids.next() }
        self.foreign = foreign
    }

    func below(_ count: Int) -> Int { Int(random.next(below: UInt64(count))) }
    func time() -> Instant { begin + .microseconds(Int64(random.next(below: UInt64((end - begin).microseconds)))) }

    func add(started: Instant?) async throws {
        let record = record(samples.ids.next(), in: home, at: started ?? time())
        let bill = bill()
        _ = try await base.ledger.settle([Settlement(record: record, bill: bill, transfers: [], suspended: nil)])
        model.insert(
            BilledUsage(
                record: record.withoutHold, billState: bill.state.rawValue, price: bill.price, cost: bill.cost,
                umu: bill.umu, priceVersion: bill.priceVersion, costVersion: bill.costVersion))
    }

    func bill() -> Bill {
        let (price, cost) = (Int64(below(5000)), Int64(below(900)))
        return switch below(4) {
        case 0: Bill(state: .free, price: nil, cost: nil, umu: nil, priceVersion: 0, costVersion: 0)
        case 1: Bill(state: .suspended, price: nil, cost: nil, umu: nil, priceVersion: 2, costVersion: 0)
        case let way:
            Bill(
                state: .charged, price: Money(units: price, way == 2 ? .usd : .eur), cost: Money(units: cost, .usd),
                umu: UMU(millionths: price * 3), priceVersion: 2, costVersion: 1)
        }
    }

    func record(_ request: RequestID, in workspace: Workspace, at started: Instant) -> UsageRecord {
        let plain = samples.record(
            in: workspace.id, key: keys[below(3)], model: "m\(below(3))",
            status: below(5) == 0 ? .truncated : .succeeded, started: started, tokens: below(50))
        // One name is a part of another's.
        let tags = Set((0..<below(3)).map { _ in ["a", "ab", "b-a"][below(3)] }).sorted()
        return UsageRecord(
            request: request, clientRequest: nil, workspace: workspace.id, key: plain.key, operation: .chat,
            model: plain.model, deployment: plain.deployment, isStream: false, status: plain.status,
            httpStatus: plain.httpStatus, errorCode: plain.errorCode, usage: plain.usage, started: started,
            latency: plain.latency, firstToken: nil,
            billing: BillingFacts(
                tenant: workspace.tenant, user: below(2) == 0 ? nil : users[below(2)], tags: tags, hold: .none))
    }

    func filter() -> UsageFilter {
        let (one, two) = (time(), time())
        var filter = UsageFilter(from: min(one, two), until: max(one, two) + .seconds(1))
        if below(4) == 0 { filter.model = "m\(below(3))" }
        if below(4) == 0 { filter.key = keys[below(3)] }
        if below(4) == 0 { filter.user = below(2) == 0 ? UsageFilter.Wanted.none : .value(users[below(2)]) }
        let tag = ["a", "ab", "none"][below(3)]
        if below(3) == 0 { filter.tag = below(3) == 0 ? UsageFilter.Wanted.none : .value(tag) }
        return filter
    }

    func groups() -> Set<UsageGroup> { Set(UsageGroup.allCases.filter { _ in below(2) == 0 }) }

    func days(of filter: UsageFilter) throws -> [UsageSpan] {
        let zone = try #require(ZoneDays(zone: ["Europe/Berlin", "Asia/Tehran", "UTC"][below(3)]))
        return try #require(zone.days(from: filter.from, until: filter.until, most: 366))
            .map { UsageSpan(begins: $0.begins, ends: $0.ends) }
    }
}

extension UsageFilter {
    /// What a total's link asks for.
    fileprivate func narrowed(to group: UsageTotal.Group) -> UsageFilter {
        var filter = self
        if let span = group.span { (filter.from, filter.until) = (max(from, span.begins), min(until, span.ends)) }
        filter.model = group.model ?? model
        filter.key = group.key ?? key
        filter.user = group.user ?? user
        filter.tag = group.tag ?? tag
        return filter
    }
}

extension [BilledUsage] {
    fileprivate func sums(_ amount: KeyPath<BilledUsage, Money?>) -> [Currency: Int64] {
        reduce(into: [:]) { sums, row in
            if let money = row[keyPath: amount] { sums[money.currency, default: 0] += money.units }
        }
    }
}
