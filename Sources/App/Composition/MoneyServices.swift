import Billing
import Database
import Flows
import Journal
import Kernel
import Logging
import ServiceLifecycle

extension Topic {
    /// Budgets, limits, wallets or prices changed.
    static var spending: Topic { Topic("spending") }
}

/// What of a running platform spends: admission for the hot path, and what keeps it in step with the ledger.
struct MoneyPlane: Sendable {
    let books: PriceBooks
    let admission: AdmissionFlow
    let settlement: SettlementFlow
    let counters: any Counters
    let keeper: EscrowKeeper
    private let storage: MoneyStorage
    private let shared: SharedCounters?
    private let clock: any Kernel.Clock

    init(
        over storage: MoneyStorage, node: NodeID, isShared: Bool, settings: Configuration.MoneySettings,
        journal: SegmentedJournal, clock: any Kernel.Clock, logger: Logger
    ) {
        self.storage = storage
        self.clock = clock
        books = PriceBooks(store: storage.prices, providers: storage.providers, clock: clock)
        var escrow = EscrowBook.Settings()
        escrow.longestLine = settings.wallQueue
        escrow.margin = settings.escrowTerm / 6
        let life = NodeLife(node: node, store: storage.ledger, clock: clock, logger: logger, settings: escrow)
        var staleness = SpendingCache.Settings()
        staleness.staleness = settings.maxStaleness
        let cache = SpendingCache(store: storage.spending, clock: clock, settings: staleness)
        shared = isShared ? SharedCounters(storage.rates, node: node, clock: clock, logger: logger) : nil
        counters = shared ?? LocalCounters(clock: clock)
        var wall = AdmissionFlow.Settings()
        wall.wallWait = settings.wallWait
        admission = AdmissionFlow(
            cache: cache, books: books, life: life, counters: counters, clock: clock, settings: wall)
        settlement = storage.settlement(over: books)
        var keeping = EscrowKeeper.Settings()
        keeping.term = settings.escrowTerm
        keeping.grace = settings.escrowWriteOff
        let watch = ShippingWatch(journal)
        keeper = EscrowKeeper(life: life, cache: cache, books: books, settings: keeping) {
            watch.isStored(endedBefore: $0)
        }
    }

    /// What must be there before the first request. A database that is away holds nothing up: requests that nothing
    /// binds do without.
    func begin(logger: Logger) async {
        // Each by itself: what fails is tried again by its service.
        for step in [books.refresh, { try await shared?.begin() }, keeper.begin] {
            do {
                try await step()
            } catch {
                logger.warning("money cannot be asked for yet", metadata: ["error": "\(error)"])
            }
        }
    }

    /// In order of dependency.
    func services(wakeUps: any WakeUps, logger: Logger) -> [any Service] {
        var services: [any Service] = [
            EscrowService(keeper: keeper, wakeUps: wakeUps, logger: logger),
            Housekeeping(chores: storage.chores(books: books, clock: clock), clock: clock, logger: logger),
        ]
        if let shared { services.append(CountersService(counters: shared, logger: logger)) }
        return services
    }

    /// - Parameter announce: tells the other nodes that something changed.
    func control(announce: @escaping @Sendable () -> Void) -> MoneyParts {
        storage.control(books: books) { [keeper] in
            announce()
            // The change stands; what cannot be read now is by the next look.
            try? await keeper.lookAtRules()
        }
    }
}

/// Keeps this node's right to spend. Ends after what it spent was shipped.
struct EscrowService: Service {
    private static let longestDrain = Duration.seconds(5)

    let keeper: EscrowKeeper
    let wakeUps: any WakeUps
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await keeper.run() }
                group.addTask {
                    for await _ in wakeUps.wakeUps(on: .spending) { try? await keeper.lookAtRules() }
                }
                await group.waitForAll()
            }
        }
        await keeper.drain(atMost: Self.longestDrain)
    }
}

/// Keeps the slices of limits that this node holds. Ends after they were given back: else other nodes would do without
/// its places until its lease has ended.
struct CountersService: Service {
    let counters: SharedCounters
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown { await counters.run() }
        do {
            try await counters.drain()
        } catch {
            logger.debug("Slices of limits could not be given back", metadata: ["error": "\(error)"])
        }
    }
}

extension MoneyStorage {
    /// Any node may do any of it.
    fileprivate func chores(books: PriceBooks, clock: any Kernel.Clock) -> [Housekeeping.Chore] {
        Housekeeping.chores(linking: linking, resolving: suspense(over: books))
            + Housekeeping.moneyChores(wallets: wallets, rolling: rolling, clock: clock)
    }
}
