import Billing
import Database
import Flows
import Inference
import Journal
import Kernel
import Logging
import Stores
import TestKit

/// One life of a node: production's parts, put together as `App` does, but for the gateway, in whose place `MoneyNode`
/// itself does what an exchange does.
// SAFETY: used on the simulation's thread only.
final class MoneyNode: @unchecked Sendable {
    static let journalFolder = "/data/journal"

    let process: SimulatedProcess
    let record: NodeRecord
    let life: Int
    let clock: NodeClock
    let files: WatchedFiles
    unowned let world: MoneyWorld
    let bell: SimulatedBell
    let logger: Logger
    private let mount: Mount
    private let stopBell: SimulatedBell
    private(set) var parts: Parts?
    private(set) var journal: SegmentedJournal?
    private(set) var isAccepting = false
    /// It was told to stop.
    private(set) var isStopping = false
    var running = 0
    private var leakWatch: LeakWatch?

    /// What of it spends.
    struct Parts {
        let ids: IDSource
        let watched: any UsageJournal
        let books: PriceBooks
        let admission: any Admission
        let life: NodeLife
        let keeper: EscrowKeeper
        let shared: SharedCounters?
        let local: LocalCounters?
        let shipper: JournalShipper
    }

    init(world: MoneyWorld, record: NodeRecord, life: Int) {
        self.world = world
        self.record = record
        self.life = life
        process = world.simulation.makeProcess("\(record.name).\(life)", skew: world.skew)
        clock = NodeClock(process, node: record)
        mount = record.disk.mount()
        bell = SimulatedBell(process)
        stopBell = SimulatedBell(process)
        logger = TraceLog.logger(of: process)
        files = WatchedFiles(mount.files)
        process.onCrash { [mount, record] kind in record.diskCrash(kind, of: mount) }
        process.onBuried { [unowned self] in letGo() }
    }

    /// Whether nothing is under way, and everything is stored.
    var isIdle: Bool {
        guard process.isAlive, parts != nil, let journal else { return false }
        return running == 0 && journal.lag == 0 && !journal.hasWork
    }

    func watch(_ watch: LeakWatch) {
        leakWatch = watch
        watch.watch(self, "node")
        watch.watch(process, "process of a node")
        watch.watch(mount, "mount")
    }

    private func letGo() {
        leakWatch?.watch(journal, "journal")
        leakWatch?.watch(parts?.life, "node's life")
        leakWatch?.watch(parts?.shared, "counters")
        journal?.close()
        journal = nil
        parts = nil
    }

    // MARK: Beginning

    func start() {
        process.start { [self] in
            do {
                try await boot()
                process.simulation.note(process.name, "serves")
            } catch {
                process.simulation.note(process.name, "cannot start: \(error)")
                // As a supervisor sees it: the program ended, and is started again.
                process.crash(.process)
            }
        }
    }

    private func boot() async throws {
        let journal = try openJournal()
        self.journal = journal
        if process.isAlive { record.lives[life].hasJournal = true }
        let parts = makeParts(journal)
        self.parts = parts
        let writer = JournalThread(
            journal, process: process, bell: bell,
            random: process.simulation.streams.stream("writer " + process.name))
        process.start { await writer.run(idle: .seconds(1)) }
        await begin(parts)
        run(parts)
        isAccepting = process.isAlive
    }

    private func openJournal() throws -> SegmentedJournal {
        var limits = SegmentedJournal.Limits()
        limits.mode = world.plan.isStrict ? .strict : .group
        limits.segmentBytes = world.plan.segmentBytes
        limits.minimumFreeBytes = 4096
        return try SegmentedJournal.open(
            folder: Self.journalFolder, clock: clock, logger: logger, limits: limits, files: files, writer: .stepped)
    }

    private func makeParts(_ journal: SegmentedJournal) -> Parts {
        let (simulation, bug) = (process.simulation, world.bug)
        let database = RemoteDatabase(world: world, process: process, node: record.index, bug: bug)
        let ids = IDSource(clock: clock, random: simulation.streams.stream("ids " + process.name))
        // A node of a simulation rarely has more to settle at once.
        let ledger = DatabaseLedger(database, sealing: PlainLedgerSealer(), ids: ids, bundling: 2)
        let prices = DatabasePriceStore(database, sealing: PlainSealer())
        let books = PriceBooks(store: bug?.prices(prices) ?? prices, clock: clock)
        let life = NodeLife(
            node: record.id, store: bug?.escrow(ledger) ?? ledger, clock: bug?.clock(clock) ?? clock, logger: logger,
            settings: MoneySettings.escrow)
        let spending = DatabaseSpendingStore(database)
        let cache = SpendingCache(store: bug?.spending(spending) ?? spending, clock: clock)
        let isShared = world.plan.nodes.count > 1
        let shared =
            isShared
            ? SharedCounters(DatabaseRateStore(database), node: record.id, clock: clock, logger: logger) : nil
        let local = isShared ? nil : LocalCounters(clock: clock)
        let counters: any Counters = shared ?? local ?? LocalCounters(clock: clock)
        let admission = AdmissionFlow(cache: cache, books: books, life: life, counters: counters, clock: clock)
        let watch = ShippingWatch(journal)
        let keeper = EscrowKeeper(life: life, cache: cache, books: books, settings: MoneySettings.keeping) {
            bug == .earlyRelease || watch.isStored(endedBefore: $0)
        }
        let settlement = SettlementFlow(
            store: bug?.settlement(ledger) ?? ledger, ledger: ledger, books: books, logger: logger)
        var limits = JournalShipper.Limits()
        limits.longestPause = .seconds(1)
        let shipper = JournalShipper(
            journal: journal, store: bug?.sink(settlement, world: world) ?? settlement, clock: clock,
            random: simulation.streams.stream("shipper " + process.name), logger: logger, limits: limits)
        let watched = WatchedJournal(
            journal, files: files, process: process, life: self.life, world: record, bell: bell)
        return Parts(
            ids: ids, watched: watched, books: books, admission: bug?.admission(admission) ?? admission, life: life,
            keeper: keeper, shared: shared, local: local,
            shipper: shipper)
    }

    /// As `MoneyPlane.begin`: a database that is away holds nothing up.
    private func begin(_ parts: Parts) async {
        do {
            try await parts.books.refresh()
            try await parts.shared?.begin()
            try await parts.keeper.begin()
        } catch {
            process.simulation.note(process.name, "money cannot be asked for yet: \(error)")
        }
    }

    private func run(_ parts: Parts) {
        process.start { await parts.shipper.run() }
        process.start { [stopBell] in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await parts.keeper.run() }
                if let shared = parts.shared { group.addTask { await shared.run() } }
                while !Task.isCancelled, !self.mustEnd { await stopBell.wait(atMost: .seconds(3600)) }
                group.cancelAll()
            }
            self.hasEnded = true
        }
    }

    // MARK: The orderly end

    private var mustEnd = false
    private var hasEnded = false

    /// As a service manager stops it: what runs comes to its end, then everything goes back.
    func stop() {
        guard process.isAlive, !isStopping else { return }
        isStopping = true
        isAccepting = false
        process.simulation.note(process.name, "stops")
        process.start { [self] in
            do {
                let limit = clock.uptime + .seconds(6)
                while running > 0, clock.uptime < limit { try await clock.sleep(for: .milliseconds(50)) }
                mustEnd = true
                stopBell.ring()
                while !hasEnded { try await clock.sleep(for: .milliseconds(5)) }
                await parts?.keeper.drain(atMost: .seconds(5))
                try? await parts?.shared?.drain()
            } catch {
                return
            }
            process.simulation.note(process.name, "has stopped")
            process.crash(.process)
        }
    }
}

/// Times that a run of seconds meets.
enum MoneySettings {
    static let grace = Duration.seconds(20)

    static var escrow: EscrowBook.Settings {
        var settings = EscrowBook.Settings()
        settings.margin = .milliseconds(500)
        settings.idle = .seconds(2)
        return settings
    }

    static var keeping: EscrowKeeper.Settings {
        var settings = EscrowKeeper.Settings()
        settings.term = .seconds(3)
        settings.tick = .milliseconds(250)
        settings.poll = .milliseconds(1000)
        settings.sweep = .seconds(5)
        settings.grace = grace
        settings.retry = .milliseconds(300)
        return settings
    }
}
