package import AsyncHTTPClient
import Database
import Fleet
package import Flows
import Inference
import Journal
package import Kernel
package import Logging
import NIOCore
import NIOHTTP1
import Runtimes
import Tenancy

/// The command line's way to the platform: over the admin API where one serves the data folder, else over the database,
/// which this process then holds alone.
package struct ControlAccess: Sendable {
    /// How long a starting platform, or another command, may keep the folder before we give up.
    private static let patience = Duration.seconds(5)
    private static let pause = Duration.milliseconds(50)

    private let configuration: Configuration
    private let environment: [String: String]
    private let client: HTTPClient
    private let clock: any Clock
    private let random: any RandomSource
    private let logger: Logger

    package init(
        configuration: Configuration, environment: [String: String], client: HTTPClient, clock: any Clock,
        random: any RandomSource, logger: Logger
    ) {
        self.configuration = configuration
        self.environment = environment
        self.client = client
        self.clock = clock
        self.random = random
        self.logger = logger
    }

    private var folder: DataFolder { DataFolder(configuration.dataDir) }

    /// Runs `body` with whatever can answer it.
    /// - Parameter begins: whether a data folder that is not there is made, as by what may come before the first
    ///   `serve`. What reads or changes a platform must not: a mistyped folder would become one of its own, and
    ///   everything in it would look well.
    /// - Throws: `NOT_FOUND` when there is no data folder; `PLATFORM_SILENT` when a process holds the folder and does
    ///   not answer; what opening the database throws; what `body` throws.
    package func use<Value: Sendable>(
        begins: Bool = false, _ body: @Sendable (any Control) async throws -> Value
    ) async throws -> Value {
        try await withWay(begins: begins) { try await body($0.control) }
    }

    /// Makes a key; under an idempotency key once, whether a platform runs or not, and whether it is the same one.
    /// - Parameter request: says what key.
    /// - Throws: `IDEMPOTENCY_CONFLICT` that names the key which was made under the same idempotency key; as `use`.
    package func createKey(
        idempotencyKey: String?, _ request: @Sendable (any Control) async throws -> NewKey
    ) async throws -> CreatedKey {
        try await withWay(begins: true) { way in
            let request = try await request(way.control)
            guard let idempotencyKey else { return try await way.control.createKey(request) }
            switch way {
            case .remote(let remote): return try await remote.keyed(idempotencyKey).createKey(request)
            case .database(let flow, let storage):
                return try await KeyedCreation(
                    control: flow, store: storage.idempotency, clock: clock,
                    ids: IDSource(clock: clock, random: random), logger: logger
                ).create(request, idempotencyKey: idempotencyKey)
            }
        }
    }

    private enum Way {
        case remote(RemoteControl)
        case database(ControlFlow, StorageParts)

        var control: any Control {
            switch self {
            case .remote(let remote): remote
            case .database(let flow, _): flow
            }
        }
    }

    private func withWay<Value: Sendable>(
        begins: Bool, _ body: @Sendable (Way) async throws -> Value
    ) async throws -> Value {
        // A lock without a database is what a platform that starts just now has.
        guard begins || isBegun || folder.isLockable else { throw folder.missing }
        try folder.create()
        let start = clock.uptime
        while true {
            try Task.checkCancellation()
            if let lock = try FolderLock.take(in: folder) {
                defer { lock.release() }
                guard begins || isBegun else { throw folder.missing }
                return try await useDatabase(body)
            }
            if let platform = try await answering(), let token = try OperatorToken.read(in: folder) {
                return try await body(.remote(RemoteControl(client: client, url: platform.controlURL, token: token)))
            }
            guard clock.uptime - start < Self.patience else { throw silence }
            try await clock.sleep(for: Self.pause)
        }
    }

    /// The platform that serves the data folder now; nil when there is none.
    /// - Throws: `PLATFORM_SILENT` when a process holds the folder and does not answer.
    package func runningPlatform() async throws -> PlatformFile? {
        guard folder.exists else { return nil }
        let start = clock.uptime
        while true {
            try Task.checkCancellation()
            if let lock = try FolderLock.take(in: folder) {
                lock.release()
                return nil
            }
            if let platform = try await answering() { return platform }
            guard clock.uptime - start < Self.patience else { throw silence }
            try await clock.sleep(for: Self.pause)
        }
    }

    /// Whether a platform or a command made a database for the folder before. One on a server is nobody's typing error.
    private var isBegun: Bool {
        switch configuration.database {
        case .postgres: true
        case .sqlite(let path): folder.exists && (DataFolder.isThere(path) || DataFolder.isThere(folder.databaseFile))
        }
    }

    private var silence: Problem {
        Problem(
            .platformSilent, "Another process holds the data folder \(folder.path), but no platform answers there.")
    }

    /// The platform of the file, when it answers.
    private func answering() async throws -> PlatformFile? {
        guard let platform = try PlatformFile.read(in: folder) else { return nil }
        do {
            let response = try await client.execute(
                HTTPClientRequest(url: platform.controlURL + "/livez"), timeout: .seconds(2))
            _ = try await response.body.collect(upTo: 4096)
            return response.status.code == 200 ? platform : nil
        } catch let error as CancellationError {
            throw error
        } catch {
            return nil
        }
    }

    private func useDatabase<Value: Sendable>(
        _ body: @Sendable (Way) async throws -> Value
    ) async throws -> Value {
        let ids = IDSource(clock: clock, random: random)
        let storage = try await StorageParts.open(
            configuration, clock: clock, random: random, ids: ids, logger: logger)
        do {
            try await shipJournal(to: storage.money.settlement())
            let value = try await body(.database(try await control(over: storage, ids: ids), storage))
            try await storage.close()
            return value
        } catch {
            try await storage.close()
            throw error
        }
    }

    private func control(over storage: StorageParts, ids: IDSource) async throws -> ControlFlow {
        let refresh = RegistryRefresh(
            registry: Registry(builtIn: [DemoModel.deployment]), store: storage.deployments,
            routings: storage.routings, clock: clock, announce: { storage.wakeUps.wake(.registry) })
        try await refresh.refresh()
        let machine = try MachineParts(
            dataDir: configuration.dataDir, environment: environment, client: client, clock: clock, logger: logger)
        let now = clock.now
        let statuses = machine.library.recipes.map { recipe in
            ModelServiceStatus(recipe: recipe, machine: ServiceMachine(policy: recipe.restart, now: now), pid: nil)
        }
        return ControlFlow(
            caller: Caller(principal: .platformOperator),
            parts: storage.control(
                registry: refresh, clock: clock, ids: ids, random: random, runtimes: { statuses }))
    }

    /// What the last platform recorded and could not store any more, as after `kill -9`. What cannot be stored now
    /// stays in the journal, and is no reason to refuse a command. It is paid for here as a platform would: a row that
    /// is there is not settled again.
    private func shipJournal(to store: any UsageSink) async throws {
        guard DataFolder(folder.journal).exists else { return }
        do {
            let journal = try SegmentedJournal.open(
                folder: folder.journal, clock: clock, logger: logger,
                limits: SegmentedJournal.Limits(configuration.journal))
            defer { journal.close() }
            guard journal.lag > 0 else { return }
            let shipper = JournalShipper(
                journal: journal, store: store, clock: clock, random: random, logger: logger)
            _ = await shipper.drain(within: .seconds(10))
        } catch {
            try Task.checkCancellation()
            logger.warning("the journal cannot be read now", metadata: ["error": "\(error)"])
        }
    }
}
