import Billing
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

    /// Calls in one look, and calls at once.
    static let (most, atOnce) = (256, 16)

    let life: NodeLife
    let books: PriceBooks
    let settings: Settings
    let isSettled: @Sendable (Duration) async -> Bool
    let metrics = EscrowMetrics()
    private let cache: SpendingCache

    var clock: any Clock { life.clock }
    var store: any EscrowStore { life.store }

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

    // MARK: Rules and lost nodes

    private func keepRules() async {
        var outage = Outage("changes of budgets, limits and prices cannot be read now", life.logger)
        repeat {
            do {
                try await lookAtRules()
                outage.isOver()
            } catch {
                outage.began(error)
            }
        } while await pause(settings.poll)
    }

    /// Reads what has changed about money.
    package func lookAtRules() async throws {
        if try await cache.poll() {
            books.expire()
            life.ring(
                life.change { book, _ in
                    book.forgetRefusals()
                    return book.firstInEveryLine
                })
        }
        if books.isStale { try await books.refresh() }
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

    /// - Returns: false when cancelled.
    func pause(_ duration: Duration) async -> Bool {
        do {
            try await clock.sleep(for: duration)
            return true
        } catch {
            return false
        }
    }
}

/// What an operator sees of escrow. The counters are alarms.
struct EscrowMetrics: Sendable {
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
