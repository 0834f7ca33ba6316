import Database
import Flows
import Gateway
import Inference
import Journal
import Kernel
import Logging
import NIOCore
import SQLiteEngine
import Stores
import Tenancy
import TestKit

/// One life of the platform: production's parts, put together as `App` does, over simulated disk, network and time.
// SAFETY: used on the simulation's thread only.
final class Platform: @unchecked Sendable {
    static let databasePath = "/data/volery.db"
    static let journalFolder = "/data/journal"

    let process: SimulatedProcess
    let life: Int
    private unowned let world: UsageWorld
    private let mount: Mount
    private let loop: SimulatedEventLoop
    private let bell: SimulatedBell
    private let logger: Logger
    private let bug: PlantedBug?
    private var core: GatewayCore?
    private(set) var journal: SegmentedJournal?
    private(set) var database: SQLiteDatabase?
    let files: WatchedFiles
    private var leakWatch: LeakWatch?

    init(world: UsageWorld, life: Int) {
        self.world = world
        self.life = life
        bug = world.bug
        process = world.simulation.makeProcess("platform\(life)")
        mount = world.disk.mount()
        loop = SimulatedEventLoop(process: process)
        bell = SimulatedBell(process)
        logger = TraceLog.logger(of: process)
        files = WatchedFiles(world.bug?.files(mount.files) ?? mount.files)
        process.onCrash { [mount, unowned world] kind in world.diskCrash(kind, of: mount) }
        process.onBuried { [unowned self] in letGo() }
    }

    var isServing: Bool { process.isAlive && core != nil }

    /// Whether nothing is under way, and everything is stored.
    var isIdle: Bool {
        guard isServing, let core, let journal else { return false }
        return core.requestsInFlight == 0 && journal.lag == 0 && !journal.hasWork
    }

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

    /// What is made later is watched when it is made.
    func watch(_ watch: LeakWatch) {
        leakWatch = watch
        watch.watch(self, "platform")
        watch.watch(process, "process of the platform")
        watch.watch(loop, "event loop")
        watch.watch(mount, "mount")
    }

    private func letGo() {
        leakWatch?.watch(core, "gateway")
        leakWatch?.watch(journal, "journal")
        leakWatch?.watch(database, "database")
        // Its files are dead; what still waits for a sync is let go.
        journal?.close()
        core = nil
        journal = nil
        database = nil
    }

    // MARK: Parts

    private func boot() async throws {
        let simulation = process.simulation
        let database = try SQLiteDatabase.open(
            path: mount.sqlitePath(Self.databasePath), clock: process.clock, logger: logger,
            threads: SimulatedThreads(process, name: "database"), files: .virtual)
        self.database = database
        let journal = try openJournal()
        self.journal = journal
        if process.isAlive { world.noteJournal(of: life) }
        let faulty = FaultyDatabase(
            database, process: process, faults: { [unowned world] in world.databaseFault },
            onFault: { [unowned world] in world.noteDatabase($0) })
        let watched = WatchedJournal(
            bug?.journal(journal, process: process) ?? journal, files: files, process: process, life: life,
            world: world, bell: bell)
        let flow = InferenceFlow(
            registry: Registry(builtIn: Fixture.deployments),
            keys: KeyVerifier(
                store: DatabaseKeyStore(faulty, sealing: PlainSealer()), hasher: TransparentHasher(),
                digests: PlainDigest(), clock: process.clock),
            journal: watched, clock: process.clock,
            ids: IDSource(clock: process.clock, random: simulation.streams.stream("ids \(life)")))
        let core = try await GatewayCore(
            flow: flow, limits: Self.limits, eventLoops: loop, logger: logger, certificates: world.certificates,
            connector: SimulatedConnector(network: world.network, process: process),
            startTask: { [process] work in process.start(work) })
        self.core = core
        listen(core)
        let store = DatabaseUsageStore(faulty)
        var limits = JournalShipper.Limits()
        limits.longestPause = .seconds(1)
        let shipper = JournalShipper(
            journal: journal, store: bug?.store(store, database: database) ?? store, clock: process.clock,
            random: simulation.streams.stream("shipper \(life)"), logger: logger, limits: limits)
        process.start { await shipper.run() }
        let writer = JournalThread(
            journal, process: process, bell: bell, random: simulation.streams.stream("writer \(life)"))
        process.start { await writer.run() }
    }

    private func openJournal() throws -> SegmentedJournal {
        var limits = SegmentedJournal.Limits()
        limits.mode = world.plan.isStrict ? .strict : .group
        limits.segmentBytes = world.plan.segmentBytes
        limits.minimumFreeBytes = 4096
        return try SegmentedJournal.open(
            folder: Self.journalFolder, clock: process.clock, logger: logger, limits: limits, files: files,
            writer: .stepped)
    }

    /// Short, so that a run needs little virtual time.
    private static var limits: GatewayLimits {
        var limits = GatewayLimits()
        limits.headTimeout = .seconds(2)
        limits.keepAliveTimeout = .seconds(3)
        limits.bodyTimeout = .seconds(2)
        limits.connectTimeout = .milliseconds(300)
        limits.firstByteTimeout = .milliseconds(1500)
        limits.idleTimeout = .seconds(1)
        limits.wholeTimeout = .seconds(4)
        return limits
    }

    private func listen(_ core: GatewayCore) {
        let edge = EdgeChannel(core: core) { _, _, _ in }
        let (loop, logger, high) = (loop, logger, world.plan.watermark)
        world.network.listen("platform", of: process) { socket in
            _ = SimulatedChannel.start(on: socket, loop: loop) { channel in
                try? channel.syncOptions?.setOption(
                    .writeBufferWaterMark, value: .init(low: high / 2, high: high))
                return edge.setup(channel: channel, logger: logger).map { _ in }
            }
        }
    }
}
