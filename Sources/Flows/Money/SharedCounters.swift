package import Billing
package import Kernel
package import Logging
import Synchronization

/// Rate and concurrency limits that several nodes share over one database.
///
/// A node takes slices of a limit and spends them from memory; it asks again when they are used up, and gives back what
/// it does not use. While the database is away, it spends what it holds until that ends, and then refuses.
///
/// - Requests and tokens: see `SharedBucket` for the bound, which is that of one process.
/// - Places of concurrency are leased for 30 s and renewed each 10 s; all live nodes together never hold more than the
///   limit. A node that cannot renew admits nobody after 25 s; what it runs by then runs on, and is not counted any
///   more.
package final class SharedCounters: Counters {
    package struct Settings: Sendable {
        package var lease: Duration = .seconds(30)
        /// Kept from the end of a lease.
        package var margin: Duration = .seconds(5)
        package var renewing: Duration = .seconds(10)
        package var telling: Duration = .seconds(1)
        package var pruning: Duration = .seconds(60)
        /// Limits that are counted at once.
        package var mostLimits = 250_000
        /// Requests that wait for an answer of the database.
        package var mostWaiting = 10_000

        package init() {}
    }

    /// Slices shrink, so that the last of many who ask at once needs as many answers.
    private static let mostTries = 256
    /// In one transaction.
    private static let mostAsks = 100

    private let store: any RateStore
    private let node: NodeID
    private let clock: any Clock
    private let logger: Logger
    private let settings: Settings
    private let state: Mutex<SharedLimits>
    private let landings: Landings
    /// Places of an earlier life may still be there: they look like this one's, and would be renewed with them.
    private let owesRelease = Atomic(false)

    /// - Parameter node: of this data folder; one process at a time has it.
    package init(
        _ store: any RateStore, node: NodeID, clock: any Clock, logger: Logger, settings: Settings = Settings()
    ) {
        self.store = store
        self.node = node
        self.clock = clock
        self.logger = logger
        self.settings = settings
        state = Mutex(SharedLimits(most: settings.mostLimits))
        landings = Landings(most: settings.mostWaiting)
    }

    /// How many limits are counted now, for a metric.
    package var count: Int { state.withLock { $0.count } }

    /// Requests that run within the limits of concurrency, counted once for each limit; for a metric.
    package var running: Int64 { state.withLock { $0.running } }

    package func take(_ limits: [RateLimit], tokens: Int64) -> RateAnswer {
        guard !limits.isEmpty else { return .taken(RateTicket(limits: [], tokens: tokens, takenAt: .zero), []) }
        let uptime = clock.uptime
        return state.withLock { $0.take(limits, tokens: tokens, at: uptime) }
    }

    package func request(_ limits: [RateLimit], tokens: Int64) async throws -> RateAnswer {
        for _ in 0..<Self.mostTries {
            try Task.checkCancellation()
            let uptime = clock.uptime
            switch state.withLock({ $0.step(limits, tokens: tokens, at: uptime) }) {
            case .answer(let answer): return answer
            case .full: throw Problem(.overloaded, retryAfter: 1)
            case .wait(let id):
                let need = limits.first { $0.id == id }?.need(tokens: tokens) ?? 1
                try await wait(for: id, need: need)
            case .ask(let flight):
                if let answer = try await fly(flight, for: limits, tokens: tokens) { return answer }
            }
        }
        throw Problem(.overloaded, retryAfter: 1)
    }

    package func end(_ ticket: RateTicket, tokens: Int64?) {
        guard !ticket.limits.isEmpty else { return }
        let uptime = clock.uptime
        state.withLock { $0.end(ticket, tokens: tokens, at: uptime) }
    }

    /// Gives up the places that an earlier life of the node holds. Before the first request. Where it fails, `run`
    /// tries again, and nobody gets a place until then.
    package func begin() async throws {
        owesRelease.store(true, ordering: .releasing)
        try await store.release(node)
        owesRelease.store(false, ordering: .releasing)
    }

    /// Renews, gives back and tidies until the task is cancelled.
    package func run() async {
        var (renewed, pruned) = (clock.uptime, clock.uptime)
        while (try? await clock.sleep(for: settings.telling)) != nil {
            do {
                if owesRelease.load(ordering: .acquiring) { try await begin() }
                try await tell()
                if clock.uptime - renewed >= settings.renewing {
                    renewed = clock.uptime
                    try await renew()
                }
                if clock.uptime - pruned >= settings.pruning {
                    pruned = clock.uptime
                    try await store.prune(limit: 1000)
                }
            } catch {
                // It comes back by itself: slices end, leases are renewed until they have.
                logger.debug("Rate limits could not be told to the database", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Tells the store what estimates were wrong by, and gives back what nobody used for a second.
    package func tell() async throws { try await tell(all: false) }

    /// Everything goes back. After the last request has ended.
    package func drain() async throws {
        try await tell(all: true)
        try await store.release(node)
        state.withLock { $0.renewed([:], ends: .zero) }
    }

    package func renew() async throws {
        let began = clock.uptime
        let counts = try await store.renew(node, lasting: settings.lease)
        state.withLock { $0.renewed(counts, ends: began + settings.lease - settings.margin) }
    }

    private func tell(all: Bool) async throws {
        let began = clock.uptime
        var due = state.withLock { $0.due(at: began, all: all) }[...]
        while !due.isEmpty {
            let (part, uptime) = (due.prefix(Self.mostAsks), clock.uptime)
            due = due.dropFirst(part.count)
            let flight = state.withLock { $0.tell(part, at: uptime, all: all) }
            if !flight.isEmpty { _ = try await fly(flight, for: [], tokens: 0) }
        }
    }

    /// - Returns: the answer for the limits, if the store's answer decides it.
    private func fly(
        _ flight: SharedLimits.Flight, for limits: [RateLimit], tokens: Int64
    ) async throws -> RateAnswer? {
        do {
            if !flight.rates.isEmpty {
                let grants = try await store.take(flight.rates)
                let uptime = clock.uptime
                state.withLock { $0.answered(grants, of: flight, at: uptime) }
            }
            if !flight.slots.isEmpty {
                if owesRelease.load(ordering: .acquiring) { throw Problem(.storageUnavailable, retryAfter: 1) }
                let counts = try await store.slots(flight.slots, for: node, lasting: settings.lease)
                let uptime = clock.uptime
                let length = settings.lease - settings.margin
                state.withLock { $0.answered(counts, of: flight, holding: length, at: uptime) }
            }
        } catch {
            state.withLock { $0.failed(flight) }
            // Who only waited for a caller that went away asks for himself.
            landings.land(flight.limits, error is CancellationError ? nil : error)
            throw error
        }
        // Whoever asked comes first, so that every answer helps somebody.
        let uptime = clock.uptime
        let answer = limits.isEmpty ? .unknown : state.withLock { $0.take(limits, tokens: tokens, at: uptime) }
        landings.land(flight.limits, nil)
        if case .unknown = answer { return nil }
        return answer
    }

    private func wait(for id: LimitID, need: Int64) async throws {
        state.withLock { $0.waits(for: id, need) }
        defer { state.withLock { $0.waits(for: id, -need) } }
        try await landings.wait(for: id) { self.state.withLock { $0.isFlying(id) } }
    }
}
