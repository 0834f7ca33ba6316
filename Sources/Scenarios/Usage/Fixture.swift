import Database
import Inference
import Kernel
import Logging
import SQLiteEngine
import Stores
import Tenancy
import TestKit

/// What is there before a run begins: a migrated database with one key, and the models.
enum Fixture {
    static let deployments: [Deployment] = UsagePlan.Model.allCases.enumerated().map { index, model in
        Deployment(
            id: DeploymentID(ULID(high: 1, low: UInt64(index))), model: name(of: model), wire: .openAI,
            endpoint: Endpoint(scheme: .http, host: model.rawValue, port: 80), upstreamModel: "m",
            capabilities: [.chat, .tools], contextLimit: nil, origin: .registered,
            registered: SimulatedClock.beginning)
    }

    private static func name(of model: UsagePlan.Model) -> ModelName {
        switch model {
        case .first: ModelName(known: "first")
        case .second: ModelName(known: "second")
        case .absent: ModelName(known: "absent")
        }
    }

    struct Failed: Error {}

    static func makeDisk() throws -> DiskSnapshot {
        try makeDisk { database, clock in try await addKey(to: database, clock: clock) }
    }

    /// Runs production's migrations once, on a simulated disk of their own.
    /// - Parameter fill: adds what every run begins with.
    static func makeDisk(
        _ fill: @escaping @Sendable (any Database, any Clock) async throws -> Void
    ) throws -> DiskSnapshot {
        let simulation = Simulation(seed: 0, traces: false)
        let process = simulation.makeProcess("migrator")
        let disk = SimulatedDisk(random: simulation.streams.stream("disk"))
        SimulatedVFS.reseed(simulation.streams.stream("sqlite"), clock: process.clock)
        defer { SimulatedVFS.endSimulation() }
        let outcome = Shared<Bool>(false)
        let path = disk.mount().sqlitePath(Platform.databasePath)
        let threads = SimulatedThreads(process, name: "database")
        process.start {
            do {
                let database = try SQLiteDatabase.open(
                    path: path, clock: process.clock,
                    logger: Logger(label: "fixture") { _ in SwiftLogNoOpLogHandler() },
                    threads: threads, files: .virtual)
                _ = try await Migrator(Schema.migrations, binary: BinaryVersion(1, 0, 0)).migrate(database)
                try await fill(database, process.clock)
                try await database.close()
                outcome.update { $0 = true }
            } catch {
                process.simulation.violation("\(error)")
            }
        }
        _ = simulation.run(until: .seconds(60))
        let snapshot = disk.snapshot()
        simulation.end()
        guard outcome.value else { throw Failed() }
        return snapshot
    }

    private static func addKey(to database: any Database, clock: any Clock) async throws {
        let ids = IDSource(clock: clock, random: SeededRandom(seed: 1))
        let workspace = try await DatabaseWorkspaceStore(database, sealing: PlainSealer()).ensure(
            tenant: "tenant", workspace: "default", ids: ids, now: clock.now)
        guard let token = KeyToken(SimulatedClient.token) else { throw Failed() }
        let key = APIKey(
            id: ids.next(), tenant: workspace.tenant, workspace: workspace.id, name: "key", prefix: token.prefix,
            hash: "plain:" + token.text.reveal(), created: clock.now)
        try await DatabaseKeyStore(database, sealing: PlainSealer()).insert(key, audit: Samples.entry)
    }
}
