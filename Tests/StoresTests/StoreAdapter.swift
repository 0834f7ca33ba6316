import Database
import Inference
import Kernel
import Logging
import SQLiteEngine
import Stores
import Tenancy
import TestKit

/// Everything that implements the store ports. Each contract runs on each of them.
enum StoreAdapter: String, CaseIterable, Sendable {
    case memory, sqlite

    func open() async throws -> StoreWorld {
        let samples = Samples()
        switch self {
        case .memory:
            return StoreWorld(
                samples: samples, keys: MemoryKeyStore(), workspaces: MemoryWorkspaceStore(),
                registry: MemoryRegistryStore(), usage: MemoryUsageStore(), folder: nil)
        case .sqlite:
            let folder = try TemporaryFolder()
            let database = try SQLiteDatabase.open(
                path: folder.path("volery.db"), clock: samples.clock, logger: Logger(label: "test"))
            _ = try await Migrator(Schema.migrations, binary: BinaryVersion(0, 1, 0)).migrate(database)
            return StoreWorld(
                samples: samples, keys: DatabaseKeyStore(database), workspaces: DatabaseWorkspaceStore(database),
                registry: DatabaseRegistryStore(database), usage: DatabaseUsageStore(database), folder: folder)
        }
    }
}

struct StoreWorld: Sendable {
    let samples: Samples
    let keys: any KeyStore
    let workspaces: any WorkspaceStore
    let registry: any RegistryStore
    let usage: any UsageStore
    /// Lives as long as the database in it.
    let folder: TemporaryFolder?

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
