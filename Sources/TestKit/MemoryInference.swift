package import Inference
package import Kernel
import Synchronization

/// Registered deployments in memory.
package final class MemoryRegistryStore: RegistryStore {
    private let deployments = Mutex<[Deployment]>([])
    private let failure = Mutex<Problem?>(nil)

    package init() {}

    /// While set, nothing can be read.
    package func fail(with problem: Problem?) { failure.withLock { $0 = problem } }

    package func insert(_ deployment: Deployment) async throws {
        try deployments.withLock { deployments in
            guard !deployments.contains(where: deployment.isTwin) else { throw deployment.hasTwin }
            deployments.append(deployment)
        }
    }

    package func update(
        _ id: DeploymentID, _ change: DeploymentChange, revision: Int64?
    ) async throws -> Deployment? {
        try deployments.withLock { deployments in
            guard let index = deployments.firstIndex(where: { $0.id == id }) else { return nil }
            let old = deployments[index]
            if let revision, revision != old.revision { throw old.isNewer(than: revision) }
            let new = old.changed(by: change)
            guard !deployments.contains(where: { $0.id != id && new.isTwin(of: $0) }) else { throw new.hasTwin }
            deployments[index] = new
            return new
        }
    }

    package func all() async throws -> [Deployment] {
        if let failure = failure.withLock({ $0 }) { throw failure }
        return deployments.withLock { $0.sorted { ($0.model, $0.id) < ($1.model, $1.id) } }
    }

    package func remove(_ id: DeploymentID) async throws -> Deployment? {
        deployments.withLock { deployments in
            guard let index = deployments.firstIndex(where: { $0.id == id }) else { return nil }
            return deployments.remove(at: index)
        }
    }
}

/// The workspaces' routing in memory.
package final class MemoryRoutingStore: RoutingStore {
    private let routings = Mutex<[WorkspaceID: StoredRouting]>([:])
    private let changes = Atomic<Int64>(0)
    private let reads = Atomic(0)

    package init() {}

    /// How often all of them were read.
    package var readings: Int { reads.load(ordering: .relaxed) }

    package func version() async throws -> Int64 { changes.load(ordering: .sequentiallyConsistent) }

    package func put(_ stored: StoredRouting) async throws {
        routings.withLock { $0[stored.workspace] = stored }
        changes.add(1, ordering: .sequentiallyConsistent)
    }

    package func all() async throws -> [StoredRouting] {
        reads.add(1, ordering: .relaxed)
        return routings.withLock { $0.values.sorted { $0.workspace < $1.workspace } }
    }

    package func routing(of workspace: WorkspaceID) async throws -> StoredRouting? {
        routings.withLock { $0[workspace] }
    }

    package func remove(_ workspace: WorkspaceID) async throws -> StoredRouting? {
        defer { changes.add(1, ordering: .sequentiallyConsistent) }
        return routings.withLock { $0.removeValue(forKey: workspace) }
    }
}

/// Usage in memory, and a database that can go away.
package final class MemoryUsageStore: UsageStore {
    private struct State {
        var records: [RequestID: UsageRecord] = [:]
        var bills: [RequestID: BilledUsage] = [:]
        var routes: [RequestID: StoredRoute] = [:]
        var failure: Problem?
        var inserts = 0

        mutating func keep(_ route: StoredRoute) {
            if routes[route.request] == nil { routes[route.request] = route }
        }
    }

    private let state = Mutex(State())

    package init() {}

    package var count: Int { state.withLock { $0.records.count } }

    /// How many records were handed over, repeats counted.
    package var inserts: Int { state.withLock { $0.inserts } }

    /// While set, every method throws it.
    package func fail(with problem: Problem?) { state.withLock { $0.failure = problem } }

    package func record(of request: RequestID) -> UsageRecord? { state.withLock { $0.records[request] } }

    package func insert(_ records: [UsageRecord]) async throws {
        try Task.checkCancellation()
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            state.inserts += records.count
            for record in records where state.records[record.request] == nil {
                state.records[record.request] = record
                if !record.route.isEmpty {
                    state.keep(
                        StoredRoute(
                            request: record.request, workspace: record.workspace, key: record.key,
                            accepted: record.started, record: record.route))
                }
            }
        }
    }

    package func record(of request: RequestID, in workspace: WorkspaceID) async throws -> UsageRecord? {
        try all(in: workspace).first { $0.request == request }
    }

    package func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<UsageRecord> {
        let after = try cursor(page, RequestKind.self)
        let records = try all(in: workspace)
        return newestFirst(records, page: page, after: after, id: \.request)
    }

    package func summary(in workspace: WorkspaceID, days: Int, until now: Instant) async throws -> [UsageSummary] {
        struct Group: Hashable {
            let day: Int64
            let model: String
            let key: KeyID
        }
        let length: Int64 = 86_400_000_000
        let first = (now.microseconds / length - Int64(max(days, 1) - 1)) * length
        let records = try all(in: workspace).filter { $0.started.microseconds >= first && $0.started <= now }
        let groups = Dictionary(grouping: records) {
            Group(day: $0.started.microseconds / length, model: $0.model, key: $0.key)
        }
        let order = groups.keys.sorted { (-$0.day, $0.model, $0.key) < (-$1.day, $1.model, $1.key) }
        return order.map { group in
            let records = groups[group] ?? []
            return UsageSummary(
                day: String(Instant(microseconds: group.day * length).description.prefix(10)), model: group.model,
                key: group.key, requests: records.count,
                unsuccessful: records.count { $0.status != .succeeded },
                inputTokens: records.reduce(0) { $0 + $1.usage.inputTokens },
                outputTokens: records.reduce(0) { $0 + $1.usage.outputTokens })
        }
    }

    /// A row with what stands in it of money.
    package func insert(_ billed: BilledUsage) {
        state.withLock { state in
            state.records[billed.record.request] = billed.record
            state.bills[billed.record.request] = billed
        }
    }

    private func all(in workspace: WorkspaceID) throws -> [UsageRecord] {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.records.values.filter { $0.workspace == workspace }
        }
    }
}

extension MemoryUsageStore: RouteStore {
    package func insert(_ routes: [StoredRoute]) async throws {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            for route in routes { state.keep(route) }
        }
    }

    package func route(of request: RequestID) async throws -> StoredRoute? {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.routes[request]
        }
    }

    package func prune(before: Instant, limit: Int) async throws -> Int {
        state.withLock { state in
            let old = state.routes.values.filter { $0.accepted < before }.sorted { $0.accepted < $1.accepted }
            for route in old.prefix(limit) { state.routes[route.request] = nil }
            return min(old.count, limit)
        }
    }
}

extension MemoryUsageStore: UsageReports {
    package func rows(
        in workspace: WorkspaceID, matching filter: UsageFilter, page: PageRequest
    ) async throws -> Page<BilledUsage> {
        let rows = try billed(in: workspace, filter).sorted { Self.place(of: $0.record) > Self.place(of: $1.record) }
        guard let after = try cursor(page, RequestKind.self) else {
            return Page(rows: Array(rows.prefix(page.limit + 1)), limit: page.limit) { "\($0.record.request)" }
        }
        guard let last = try all(in: workspace).first(where: { $0.request == after }) else {
            throw Problem(.validationError, parameter: "after")
        }
        let rest = rows.filter { Self.place(of: $0.record) < Self.place(of: last) }
        return Page(rows: Array(rest.prefix(page.limit + 1)), limit: page.limit) { "\($0.record.request)" }
    }

    private static func place(of record: UsageRecord) -> (Int64, RequestID) {
        (record.started.microseconds, record.request)
    }

    /// A straightforward model: a row at a time.
    package func totals(
        in workspace: WorkspaceID, matching filter: UsageFilter, by groups: Set<UsageGroup>, days: [UsageSpan],
        limit: Int
    ) async throws -> [UsageTotal] {
        var totals: [UsageTotal.Group: UsageTotal] = [:]
        for row in try billed(in: workspace, filter) {
            for group in Self.groups(of: row.record, groups, days, filter) {
                totals[group, default: UsageTotal(group)].add(row)
            }
        }
        guard totals.count <= limit else { throw Problem(.validationError, parameter: "group_by") }
        return Array(totals.values)
    }

    private func billed(in workspace: WorkspaceID, _ filter: UsageFilter) throws -> [BilledUsage] {
        try all(in: workspace).filter(filter.passes).map { record in
            state.withLock { $0.bills[record.request] } ?? BilledUsage(record: record)
        }
    }

    private static func groups(
        of record: UsageRecord, _ groups: Set<UsageGroup>, _ days: [UsageSpan], _ filter: UsageFilter
    ) -> [UsageTotal.Group] {
        var group = UsageTotal.Group()
        if groups.contains(.day) {
            guard let day = days.first(where: { $0.begins <= record.started && record.started < $0.ends }) else {
                return []
            }
            group.span = day
        }
        if groups.contains(.model) { group.model = record.model }
        if groups.contains(.key) { group.key = record.key }
        if groups.contains(.user) { group.user = record.billing.user.map { .value($0) } ?? UsageFilter.Wanted.none }
        guard groups.contains(.tag) else { return [group] }
        var tags = Set(record.billing.tags)
        if case .value(let only)? = filter.tag { tags.formIntersection([only]) }
        let wanted: [UsageFilter.Wanted<String>] = tags.isEmpty ? [.none] : tags.map { .value($0) }
        return wanted.map { tag in
            group.tag = tag
            return group
        }
    }
}

extension UsageFilter {
    fileprivate func passes(_ record: UsageRecord) -> Bool {
        guard record.started >= from, record.started < until, model == nil || model == record.model,
            key == nil || key == record.key
        else { return false }
        switch user {
        case .value(let wanted)?: guard record.billing.user == wanted else { return false }
        case Wanted.none?: guard record.billing.user == nil else { return false }
        case nil: break
        }
        switch tag {
        case .value(let wanted)?: return record.billing.tags.contains(wanted)
        case Wanted.none?: return record.billing.tags.isEmpty
        case nil: return true
        }
    }
}

extension UsageTotal {
    fileprivate mutating func add(_ row: BilledUsage) {
        let usage = row.record.usage
        requests += 1
        unsuccessful += row.record.status == .succeeded ? 0 : 1
        suspended += row.billState == "suspended" ? 1 : 0
        inputTokens += usage.inputTokens
        cachedTokens += usage.cachedTokens
        outputTokens += usage.outputTokens
        reasoningTokens += usage.reasoningTokens
        umu += row.umu?.millionths ?? 0
        if let price = row.price { prices[price.currency, default: 0] += price.units }
        if let cost = row.cost { costs[cost.currency, default: 0] += cost.units }
    }
}

func cursor<Kind: IDKind>(_ page: PageRequest, _ kind: Kind.Type) throws -> ID<Kind>? {
    guard let after = page.after else { return nil }
    guard let id = ID<Kind>(after) else { throw Problem(.validationError, parameter: "after") }
    return id
}

func newestFirst<Item: Sendable, Kind: IDKind>(
    _ items: [Item], page: PageRequest, after: ID<Kind>?, id: (Item) -> ID<Kind>
) -> Page<Item> {
    let rows = items.filter { item in after.map { id(item) < $0 } ?? true }.sorted { id($0) > id($1) }
    return Page(rows: Array(rows.prefix(page.limit + 1)), limit: page.limit) { id($0).description }
}
