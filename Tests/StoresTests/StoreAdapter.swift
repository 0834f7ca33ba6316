import Database
import Foundation
import Inference
import Kernel
import Logging
import PostgresEngine
import SQLiteEngine
import Stores
import Tenancy
import TestKit
import Testing

/// Everything that implements the store ports. Each contract runs on each of them that is there.
enum StoreAdapter: String, Sendable, CustomTestStringConvertible {
    case memory, sqlite, postgres15, postgres18

    /// A server that the environment does not name is left out; `ServerPresence` says so.
    static var allCases: [StoreAdapter] {
        [.memory, .sqlite] + [.postgres15, .postgres18].filter { $0.url != nil }
    }

    var testDescription: String { rawValue }

    /// A running server; `dev/postgres.sh` starts one.
    private var url: String? {
        let version = rawValue.replacingOccurrences(of: "postgres", with: "")
        return ProcessInfo.processInfo.environment["VOLERY_TEST_POSTGRES_" + version]
    }

    func open() async throws -> StoreWorld {
        let samples = Samples()
        switch self {
        case .memory:
            return StoreWorld(
                samples: samples, keys: MemoryKeyStore(), workspaces: MemoryWorkspaceStore(),
                registry: MemoryRegistryStore(), usage: MemoryUsageStore(), owner: nil)
        case .sqlite:
            let folder = try TemporaryFolder()
            let database = try SQLiteDatabase.open(
                path: folder.path("volery.db"), clock: samples.clock, logger: Logger(label: "test"))
            return try await StoreWorld(samples, database, owner: folder)
        case .postgres15, .postgres18:
            let schema = try await PostgresSchema(on: try #require(url))
            return try await StoreWorld(samples, schema.database, owner: schema)
        }
    }
}

/// A schema of one test's own, dropped when the test lets go of it.
private final class PostgresSchema: Sendable {
    let database: PostgresDatabase
    private let admin: PostgresDatabase
    private let name = "volery_test_\(SystemRandom().next())"

    init(on server: String) async throws {
        func open(_ url: String) async throws -> PostgresDatabase {
            try await PostgresDatabase.open(
                PostgresLocation(Secret(url)), clock: SystemClock(), random: SystemRandom(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }
        admin = try await open(server)
        try await admin.execute(.schema, "CREATE SCHEMA \(name)", [])
        database = try await open(server + "?options=-csearch_path%3D" + name)
    }

    deinit {
        let (admin, database, name) = (admin, database, name)
        Task {
            await database.close()
            _ = try? await admin.execute(.schema, "DROP SCHEMA \(name) CASCADE", [])
            await admin.close()
        }
    }
}

struct StoreWorld: Sendable {
    let samples: Samples
    let keys: any KeyStore
    let workspaces: any WorkspaceStore
    let registry: any RegistryStore
    let usage: any UsageStore
    /// What the stores need for as long as they are used.
    let owner: (any Sendable)?

    init(
        samples: Samples, keys: any KeyStore, workspaces: any WorkspaceStore, registry: any RegistryStore,
        usage: any UsageStore, owner: (any Sendable)?
    ) {
        self.samples = samples
        self.keys = keys
        self.workspaces = workspaces
        self.registry = registry
        self.usage = usage
        self.owner = owner
    }

    init(_ samples: Samples, _ database: some Database, owner: any Sendable) async throws {
        _ = try await Migrator(Schema.migrations, binary: BinaryVersion(0, 1, 0)).migrate(database)
        self.init(
            samples: samples, keys: DatabaseKeyStore(database), workspaces: DatabaseWorkspaceStore(database),
            registry: DatabaseRegistryStore(database), usage: DatabaseUsageStore(database), owner: owner)
    }

    func workspace(_ name: String = "default") async throws -> Workspace {
        try await workspaces.ensure(tenant: "default", workspace: name, ids: samples.ids, now: samples.clock.now)
    }
}

func code(_ work: () async throws -> Void) async -> ErrorCode? {
    do {
        try await work()
        return nil
    } catch {
        return (error as? Problem)?.code
    }
}
