package import Billing
import Kernel
import Logging
import Metrics

/// Keeps this node's right to spend, and its slices, in step with the ledger: renews the one, and gives back of the
/// others what is not used, what belongs to a period that is over, and what another node lacks.
///
/// `run` goes on until it is cancelled; `drain` afterwards.
package struct EscrowKeeper: Sendable {
    package struct Settings: Sendable {
        /// How long the right lasts without a renewal. It is renewed at a third of it.
        package var term = Duration.seconds(30)
        /// Between two looks at what to give back and what to take.
        package var tick = Duration.milliseconds(250)
        /// Between two questions whether anything about money has changed.
        package var poll = Duration.milliseconds(500)
        /// Between two sweeps over what lost nodes hold.
        package var sweep = Duration.seconds(60)
        /// A node whose right ended so long ago does not come back.
        package var grace = Duration.seconds(3600)
        /// After a call that failed.
        package var retry = Duration.seconds(1)
        package init() {}
    }

    /// Calls in one look.
    private static let most = 256

    private let life: NodeLife
    private let cache: SpendingCache
    private let books: PriceBooks
    private let settings: Settings
    private let isSettled: @Sendable (Duration) async -> Bool
    private let metrics = EscrowMetrics()

    private var clock: any Clock { life.clock }
    private var store: any EscrowStore { life.store }

    /// - Parameter isSettled: whether everything that ended before this time of the monotonic clock, on this node and
    ///   in its earlier lives, has left the journal and is settled.
    package init(
        life: NodeLife, cache: SpendingCache, books: PriceBooks, settings: Settings = Settings(),
        isSettled: @escaping @Sendable (Duration) async -> Bool
    ) {
        self.life = life
        self.cache = cache
        self.books = books
        self.settings = settings
        self.isSettled = isSettled
    }

    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await keepRight() }
            group.addTask { await keepSlices() }
            group.addTask { await keepRules() }
            group.addTask { await keepSwept() }
        }
    }

    // MARK: The right to spend

    private func keepRight() async {
        var renewed = clock.uptime
        var released: Int64?
        var outage = Outage("this node's right to spend cannot be renewed now", life.logger)
        repeat {
            do {
                if let holder = life.holder {
                    if clock.uptime - renewed >= settings.term / 3 {
                        renewed = clock.uptime
                        try await renew(holder)
                    }
                    if released != holder.life, try await release(holder) { released = holder.life }
                } else {
                    renewed = clock.uptime
                    try await begin()
                }
                outage.isOver()
            } catch {
                outage.began(error)
                // Not before the others are due, and not at once.
                renewed = clock.uptime - settings.term / 3 + settings.retry
                if life.holder == nil { try? await clock.sleep(for: settings.retry) }
            }
        } while await pause(settings.tick)
    }

    /// Begins a life of this node. What an earlier one holds is not touched.
    package func begin() async throws {
        let asked = clock.uptime
        let (holder, term) = try await store.begin(life.node, lasting: settings.term)
        life.ring(
            life.change { book, _ in
                book.begin(holder, term, asked: asked)
                return book.firstInEveryLine
            })
        life.logger.info("this node may spend", metadata: ["node": "\(holder.node)", "life": "\(holder.life)"])
    }

    package func renew(_ holder: EscrowHolder) async throws {
        let asked = clock.uptime
        if let term = try await store.renew(holder, lasting: settings.term) {
            life.ring(
                life.change { book, _ in
                    book.renewed(holder, term, asked: asked)
                    return book.firstInEveryLine
                })
            return
        }
        metrics.fenced.increment()
        life.logger.error(
            "this node's right to spend has ended: it was away for too long, or its data folder runs twice",
            metadata: ["node": "\(holder.node)", "life": "\(holder.life)"])
        life.change { book, _ in if book.holder == holder { book.drop() } }
    }

    /// Gives back what earlier lives hold, when nothing of them can be captured any more.
    private func release(_ holder: EscrowHolder) async throws -> Bool {
        let since: Duration? = life.read { book, _ in
            book.runningOlder == 0 ? max(book.begun, book.olderEnded) : nil
        }
        guard let since, await isSettled(since) else { return false }
        let released = try await store.release(livesBefore: holder)
        if released > 0 {
            life.logger.notice(
                "what an earlier run of this node had set aside was given back", metadata: ["slices": "\(released)"])
        }
        return true
    }

    // MARK: Slices

    private func keepSlices() async {
        var outage = Outage("the ledger cannot be asked for slices now", life.logger)
        repeat {
            do {
                try await lookAtSlices()
                outage.isOver()
            } catch {
                outage.began(error)
                try? await clock.sleep(for: settings.retry)
            }
        } while await pause(settings.tick)
    }

    /// One look: gives back what is not needed here, and takes what will be.
    package func lookAtSlices() async throws {
        metrics.show(life)
        guard let holder = life.holder else { return }
        let hasFree = life.read { book, _ in book.hasFreeUnits }
        let since = life.read { book, uptime in book.ledgerTime(at: uptime) }
        var wanted: Set<AccountID> = []
        if hasFree, let since {
            wanted = Set(try await store.wants(since: since - settings.tick * 6, except: holder))
        }
        try await giveBack(wanted: wanted, all: false, holder)
        try await life.topUp(atMost: Self.most)
    }

    private func giveBack(wanted: Set<AccountID>, all: Bool, _ holder: EscrowHolder) async throws {
        let returns = life.change { $0.giveBack(wanted: wanted, all: all, at: $1, limit: Self.most) }
        for one in returns {
            let isKnown = try await store.giveBack(one.amount, of: one.escrow, by: holder, id: one.id)
            life.change { book, _ in book.returned(one) }
            if !isKnown {
                metrics.refused.increment()
                life.logger.error(
                    "the ledger refused to take back what this node believed to hold",
                    metadata: ["account": "\(one.account)", "escrow": "\(one.escrow)", "amount": "\(one.amount)"])
            }
        }
    }

    // MARK: Rules and lost nodes

    private func keepRules() async {
        var outage = Outage("changes of budgets, limits and prices cannot be read now", life.logger)
        var isStale = true
        repeat {
            do {
                try await lookAtRules(refreshing: &isStale)
                outage.isOver()
            } catch {
                outage.began(error)
            }
        } while await pause(settings.poll)
    }

    /// Reads what has changed about money, for whoever knows that something has.
    package func lookAtRules() async throws {
        var isStale = false
        try await lookAtRules(refreshing: &isStale)
    }

    private func lookAtRules(refreshing isStale: inout Bool) async throws {
        if try await cache.poll() {
            isStale = true
            life.ring(
                life.change { book, _ in
                    book.forgetRefusals()
                    return book.firstInEveryLine
                })
        }
        guard isStale else { return }
        try await books.refresh()
        isStale = false
    }

    private func keepSwept() async {
        var outage = Outage("slices of lost nodes cannot be looked for now", life.logger)
        while await pause(settings.sweep) {
            do {
                try await sweep()
                outage.isOver()
            } catch {
                outage.began(error)
            }
        }
    }

    /// Writes off what nodes hold that do not come back.
    package func sweep() async throws {
        while true {
            let lost = try await store.writeOff(after: settings.grace, limit: Self.most)
            metrics.writtenOff.increment(by: lost.count)
            for escrow in lost {
                life.logger.error(
                    "a slice of a lost node was written off",
                    metadata: [
                        "node": "\(escrow.holder.node)", "account": "\(escrow.account)",
                        "amount": "\(escrow.remaining)",
                    ])
            }
            if lost.count < Self.most { return }
        }
    }

    // MARK: The end

    /// Gives everything back. For a node that accepts nothing new; `run` has ended. What still runs, or is not settled,
    /// after `limit` is left for this node's next life.
    package func drain(atMost limit: Duration) async {
        let end = clock.uptime + limit
        var quiet: Duration?
        while let holder = life.holder {
            do {
                try await giveBack(wanted: [], all: true, holder)
                let isQuiet = life.read { book, _ in book.running == 0 && book.runningOlder == 0 }
                quiet = isQuiet ? quiet ?? clock.uptime : nil
                if let quiet, await isSettled(quiet) {
                    try await store.end(holder)
                    life.change { book, _ in book.drop() }
                    return
                }
            } catch {
                life.logger.warning("slices cannot be given back now", metadata: ["error": "\(error)"])
            }
            guard clock.uptime < end, await pause(.milliseconds(50)) else { return }
        }
    }

    /// - Returns: false when cancelled.
    private func pause(_ duration: Duration) async -> Bool {
        do {
            try await clock.sleep(for: duration)
            return true
        } catch {
            return false
        }
    }
}

/// Says once that something does not work, and once that it works again.
private struct Outage {
    private let words: Logger.Message
    private let logger: Logger
    private var isOn = false

    init(_ words: Logger.Message, _ logger: Logger) {
        self.words = words
        self.logger = logger
    }

    mutating func began(_ error: any Error) {
        if !isOn, !(error is CancellationError) { logger.warning(words, metadata: ["error": "\(error)"]) }
        isOn = true
    }

    mutating func isOver() {
        if isOn { logger.notice("it works again: \(words)") }
        isOn = false
    }
}

/// What an operator sees of escrow. The counters are alarms.
private struct EscrowMetrics: Sendable {
    let fenced = Counter(label: "volery_escrow_fenced_total")
    let refused = Counter(label: "volery_escrow_refused_returns_total")
    let writtenOff = Counter(label: "volery_escrow_written_off_total")
    private let slices = Gauge(label: "volery_escrow_slices")
    private let waiting = Gauge(label: "volery_admission_waiting")

    func show(_ life: NodeLife) {
        slices.record(life.read { book, _ in book.sliceCount })
        waiting.record(life.waiting)
    }
}
