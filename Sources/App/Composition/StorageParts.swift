import Cryptography
package import Database
package import Inference
package import Kernel
package import Logging
import Stores
package import Tenancy

/// The database with everything that stands on it. The platform opens it, and so does a command line that finds no
/// platform running.
package struct StorageParts: Sendable {
    package let workspace: Workspace
    package let keys: any KeyStore
    package let deployments: any RegistryStore
    package let usage: any UsageStore
    package let hasher: any SecretHasher
    package let wakeUps: any WakeUps
    private let opened: OpenDatabase

    /// Opens the database, brings it to this binary's schema, and sees to the default workspace. The data folder, which
    /// is there, remembers the database; its journal may be touched afterwards.
    /// - Throws: a `Problem` that an operator can act on; `.configurationInvalid` when the folder belongs to another
    ///   database.
    package static func open(
        _ configuration: Configuration, clock: any Clock, random: any RandomSource, ids: IDSource, logger: Logger
    ) async throws -> StorageParts {
        let folder = DataFolder(configuration.dataDir)
        let served = try ServedDatabase.read(in: folder)
        try served?.mayOpen(configuration.database, from: folder)
        let opened = try await OpenDatabase(configuration, clock: clock, random: random, logger: logger)
        let database = opened.database
        do {
            try await served?.recognise(database, from: folder)
            let applied = try await Migrator(Schema.migrations, binary: Version.binary).migrate(database)
            if !applied.isEmpty { logger.info("migrations applied", metadata: ["numbers": "\(applied)"]) }
            let workspaces = DatabaseWorkspaceStore(database)
            let workspace = try await workspaces.ensure(
                tenant: "default", workspace: "default", ids: ids, now: clock.now)
            if served == nil { try ServedDatabase(workspace: workspace.id).write(in: folder) }
            return StorageParts(
                workspace: workspace, keys: DatabaseKeyStore(database), deployments: DatabaseRegistryStore(database),
                usage: DatabaseUsageStore(database), hasher: Argon2Hasher(random: random), opened: opened)
        } catch {
            try await opened.close()
            throw error
        }
    }

    private init(
        workspace: Workspace, keys: any KeyStore, deployments: any RegistryStore, usage: any UsageStore,
        hasher: any SecretHasher, opened: OpenDatabase
    ) {
        self.workspace = workspace
        self.keys = keys
        self.deployments = deployments
        self.usage = usage
        self.hasher = hasher
        self.opened = opened
        wakeUps = opened.wakeUps
    }

    /// Lets running work finish, then closes the database.
    package func close() async throws { try await opened.close() }
}
