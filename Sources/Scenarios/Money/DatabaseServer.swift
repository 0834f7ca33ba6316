import Database
import Kernel
import SQLiteEngine
import TestKit

/// The one database of all nodes: a process of its own, that may die and come back.
// SAFETY: used on the simulation's thread only.
final class DatabaseServer: @unchecked Sendable {
    private static let path = "/data/volery.db"

    private let simulation: Simulation
    private let disk: SimulatedDisk
    /// From the simulation's clock to the database's.
    private var skew = Duration.zero
    private(set) var process: SimulatedProcess?
    private(set) var database: SQLiteDatabase?
    private var lives = 0
    private(set) var crashes = 0
    private var leakWatch: LeakWatch?

    init(_ simulation: Simulation, snapshot: DiskSnapshot) {
        self.simulation = simulation
        disk = SimulatedDisk(copying: snapshot, random: simulation.streams.stream("disk of the database"))
    }

    /// What no node's clock changes.
    var now: Instant { SimulatedClock.beginning + simulation.elapsed + skew }

    var isServing: Bool { process?.isAlive ?? false && database != nil }

    func watch(_ watch: LeakWatch) {
        leakWatch = watch
        watch.watch(self, "database server")
        watch.watch(disk, "disk of the database")
    }

    /// - Parameter skew: nil for that of before.
    func start(skew: Duration? = nil) {
        lives += 1
        self.skew = skew ?? self.skew
        let skew = self.skew
        let process = simulation.makeProcess("database\(lives)", skew: skew)
        let mount = disk.mount()
        self.process = process
        leakWatch?.watch(process, "process of the database")
        process.onCrash { [mount, disk] kind in if kind == .power { disk.crash(.power) } else { mount.kill() } }
        process.onBuried { [weak self] in
            self?.leakWatch?.watch(self?.database, "database")
            self?.database = nil
        }
        do {
            database = try SQLiteDatabase.open(
                path: mount.sqlitePath(Self.path), clock: process.clock, logger: TraceLog.logger(of: process),
                threads: SimulatedThreads(process, name: "database"), files: .virtual)
        } catch {
            simulation.violation("the database cannot be opened: \(error)")
        }
    }

    func crash(_ kind: DiskCrash) {
        crashes += 1
        process?.crash(kind)
    }

    /// Ends it at a moment when nobody uses it.
    func close() { process?.crash(.process) }

    /// Runs something at the database. Nobody answers when it dies meanwhile.
    func execute<T: Sendable>(
        _ work: @escaping @Sendable (any Database) async throws -> T,
        _ answer: @escaping @Sendable (Result<T, any Error>) -> Void
    ) {
        guard let process, process.isAlive, let database else {
            return answer(.failure(DatabaseFailure.unavailable("simulated: nobody listens")))
        }
        process.start {
            do {
                let value = try await work(database)
                if process.isAlive { answer(.success(value)) }
            } catch {
                if process.isAlive { answer(.failure(error)) }
            }
        }
    }
}
