import Cryptography
package import Database
package import Flows
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
    package let tenants: any TenantStore
    package let workspaces: any WorkspaceStore
    package let users: any UserStore
    package let members: any MemberStore
    package let rules: any RuleStore
    package let sessions: any SessionStore
    package let revocations: any RevocationStore
    package let audit: any AuditStore
    package let idempotency: any IdempotencyStore
    package let providers: any ProviderStore
    package let secrets: any SecretStore
    package let deployments: any RegistryStore
    package let routings: any RoutingStore
    package let usage: any UsageStore
    package let routes: any RouteStore
    let money: MoneyStorage
    package let hasher: any SecretHasher
    package let platformKeys: PlatformKeys
    package let codes: any OneTimeCodes
    package let verification: AuditVerificationFlow
    package let anchoring: AuditAnchoring
    package let wakeUps: any WakeUps
    private let opened: OpenDatabase
    private let logger: Logger

    /// Opens the database, brings it to this binary's schema, and sees to the master key and to the default workspace.
    /// The data folder, which is there, remembers the database; its journal may be touched afterwards.
    /// - Throws: a `Problem` that an operator can act on; `.configurationInvalid` when the folder belongs to another
    ///   database, or the master key does.
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
            let rows = PlatformKeys.Rows(
                record: DatabaseMasterKeyRecord(database), sealed: DatabaseSealedRows(database))
            let platformKeys = try await PlatformKeys.open(
                MasterKeySource(settings: configuration.masterKey, folder: folder), over: rows, random: random,
                now: clock.now, logger: logger)
            let secrets = PlatformSecrets(
                store: secretStore(configuration, folder: folder, keys: platformKeys, rows: rows.sealed),
                keys: platformKeys, rows: rows, codes: DatabaseSealedCodes(database))
            let workspaces = DatabaseWorkspaceStore(database, sealing: platformKeys.audit.chains)
            let workspace = try await workspaces.ensure(
                tenant: "default", workspace: "default", ids: ids, now: clock.now)
            let audit = DatabaseAuditStore(database, sealing: platformKeys.audit.chains)
            let anchors = AnchorFile(
                path: folder.auditAnchorsFile, sealer: platformKeys.audit.anchors, clock: clock)
            try await anchors.begin(over: audit, isNewFolder: served == nil)
            let money = try await MoneyStorage.open(
                over: database, keys: platformKeys.audit, folder: folder, isNewFolder: served == nil,
                writeOff: configuration.money.escrowWriteOff, clock: clock, ids: ids, logger: logger)
            if served == nil { try ServedDatabase(workspace: workspace.id).write(in: folder) }
            return StorageParts(
                workspace: workspace, workspaces: workspaces, money: money, secrets: secrets,
                hasher: Argon2Hasher(random: random),
                platformKeys: platformKeys, codes: OneTimeCode(random: random),
                verification: AuditVerificationFlow(
                    store: audit, anchors: anchors, sealer: platformKeys.audit.chains),
                anchoring: AuditAnchoring(
                    store: audit, anchors: anchors, sealer: platformKeys.audit.chains, clock: clock, logger: logger),
                opened: opened, logger: logger)
        } catch {
            try await opened.close()
            throw error
        }
    }

    static func secretStore(
        _ configuration: Configuration, folder: DataFolder, keys: PlatformKeys, rows: any SealedRows
    ) -> any SecretStore {
        let inFile =
            switch (configuration.secretStore, configuration.database) {
            case (.file, _), (.auto, .sqlite): true
            case (.database, _), (.auto, .postgres): false
            }
        return inFile
            ? SealedFileSecrets(
                file: folder.sealedSecretsFile, ring: keys.ring, announce: { try await rows.announceProviders() })
            : SealedRowSecrets(rows: rows, ring: keys.ring)
    }

    private init(
        workspace: Workspace, workspaces: DatabaseWorkspaceStore, money: MoneyStorage, secrets: any SecretStore,
        hasher: any SecretHasher,
        platformKeys: PlatformKeys, codes: any OneTimeCodes, verification: AuditVerificationFlow,
        anchoring: AuditAnchoring, opened: OpenDatabase, logger: Logger
    ) {
        let database = opened.database
        let sealer = platformKeys.audit.chains
        self.workspace = workspace
        self.workspaces = workspaces
        self.money = money
        self.secrets = secrets
        self.hasher = hasher
        self.platformKeys = platformKeys
        self.codes = codes
        self.verification = verification
        self.anchoring = anchoring
        self.opened = opened
        self.logger = logger
        keys = DatabaseKeyStore(database, sealing: sealer)
        tenants = DatabaseTenantStore(database, sealing: sealer)
        users = DatabaseUserStore(database, sealing: sealer)
        members = DatabaseMemberStore(database, sealing: sealer)
        rules = DatabaseRuleStore(database, sealing: sealer)
        sessions = DatabaseSessionStore(database, sealing: sealer)
        revocations = DatabaseRevocationStore(database)
        audit = DatabaseAuditStore(database, sealing: sealer)
        idempotency = DatabaseIdempotencyStore(database)
        providers = DatabaseProviderStore(database)
        deployments = DatabaseRegistryStore(database)
        routings = DatabaseRoutingStore(database)
        usage = DatabaseUsageStore(database)
        routes = DatabaseRouteStore(database)
        wakeUps = opened.wakeUps
    }

    /// Anchors the last audit events and postings, lets running work finish, then closes the database.
    package func close() async throws {
        do {
            try await anchoring.anchor()
            try await money.linking.pass()
        } catch {
            logger.warning("the last audit events and postings were not anchored", metadata: ["error": "\(error)"])
        }
        try await opened.close()
    }
}
