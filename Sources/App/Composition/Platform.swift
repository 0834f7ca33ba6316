import AsyncHTTPClient
import BundledAPI
import CSupport
import Cryptography
import Database
import Fleet
package import Flows
import Gateway
import HTTPAPI
import Hummingbird
import HummingbirdCore
import Inference
import Journal
package import Kernel
import Logging
import Metrics
import NIOCore
import NIOPosix
import Runtimes
import ServiceLifecycle
import Telemetry
import Tenancy
import UnixSignals

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The whole platform in one process: what `volery serve` runs. Wiring only; everything it names is built elsewhere.
package struct Platform: Sendable {
    private let configuration: Configuration
    private let environment: [String: String]
    private let clock = SystemClock()
    private let random = SystemRandom()
    private let ids: IDSource
    private let announce: @Sendable (Announcement) async -> Void

    /// What a person wants to know once the ports are open.
    package struct Announcement: Sendable {
        package let url: String
        package let metricsURL: String
        /// Only when it was made in this start.
        package let newKey: Secret?
        package let readiness: Readiness
    }

    /// - Parameters:
    ///   - environment: of the process.
    ///   - announce: called once, when requests can come.
    package init(
        configuration: Configuration, environment: [String: String],
        announce: @escaping @Sendable (Announcement) async -> Void
    ) {
        self.configuration = configuration
        self.environment = environment
        self.announce = announce
        ids = IDSource(clock: clock, random: random)
    }

    /// Runs until SIGTERM or SIGINT, then drains; returns when nothing of it is left, children included.
    /// - Throws: a `Problem` when the start is not possible.
    package func run() async throws {
        let folder = DataFolder(configuration.dataDir)
        try folder.create()
        let lock = try await takeLock(of: folder)
        defer { lock.release() }
        let writer = LogWriter()
        let logger = Self.logger(configuration, writer: writer, clock: clock)
        let metrics = PrometheusRegistry()
        metrics.addProcessMetrics(version: Version.text, started: Double(clock.now.microseconds) / 1e6)
        metrics.addCounter("volery_log_lines_dropped_total") { Double(writer.linesDropped) }
        MetricsSystem.bootstrap(metrics)
        defer { writer.flush() }
        do {
            try await run(folder: folder, logger: logger, metrics: metrics)
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw Problem(
                .addressInUse, "\(configuration.host):\(configuration.port) is taken by another program.",
                parameter: "port")
        }
        logger.notice("stopped")
    }

    /// A command that works on the folder while nothing serves it holds the lock for a moment: that is waited for.
    private func takeLock(of folder: DataFolder) async throws -> FolderLock {
        let start = clock.uptime
        while true {
            if let lock = try FolderLock.take(in: folder) { return lock }
            guard clock.uptime - start < .seconds(2), try PlatformFile.read(in: folder) == nil else {
                throw Problem(.dataFolderInUse)
            }
            try await clock.sleep(for: .milliseconds(50))
        }
    }

    private static func logger(_ configuration: Configuration, writer: LogWriter, clock: SystemClock) -> Logger {
        let format: Telemetry.LogFormat =
            switch configuration.logFormat {
            case .json: .json
            case .text: .text
            case .auto: isatty(STDERR_FILENO) == 1 ? .text : .json
            }
        let level = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        return Logger(label: "volery") { label in
            StructuredLogHandler(label: label, level: level, format: format, writer: writer, clock: clock)
        }
    }

    private func run(folder: DataFolder, logger: Logger, metrics: PrometheusRegistry) async throws {
        let storage = try await StorageParts.open(
            configuration, clock: clock, random: random, ids: ids, logger: logger)
        // One for each processor that we may use: more would only take turns on it.
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: Int(volery_cpu_count()))
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: Downloader.Limits().clientConfiguration)
        let result: Result<Void, any Error>
        do {
            let journal = try SegmentedJournal.open(
                folder: folder.journal, clock: clock, logger: logger,
                limits: SegmentedJournal.Limits(configuration.journal))
            defer { journal.close() }
            result = .success(
                try await serve(
                    Parts(
                        folder: folder, storage: storage, client: client, eventLoops: eventLoops, journal: journal,
                        logger: logger,
                        metrics: metrics)))
        } catch {
            result = .failure(error)
        }
        DataFolder.remove(folder.platformFile)
        try await client.shutdown()
        try await eventLoops.shutdownGracefully()
        try await storage.close()
        try result.get()
    }

    /// What is open while the platform runs.
    private struct Parts {
        let folder: DataFolder
        let storage: StorageParts
        let client: HTTPClient
        let eventLoops: MultiThreadedEventLoopGroup
        let journal: SegmentedJournal
        let logger: Logger
        let metrics: PrometheusRegistry
    }

    private func serve(_ parts: Parts) async throws {
        let storage = parts.storage
        let newKey = try await firstKey(parts)
        let operatorToken = try OperatorToken.ensure(in: parts.folder, random: random)
        let registry = Registry(builtIn: [DemoModel.deployment])
        let refresh = RegistryRefresh(
            registry: registry, store: storage.deployments, announce: { storage.wakeUps.wake(.registry) })
        try await refresh.refresh()
        let machine = try MachineParts(
            dataDir: configuration.dataDir, environment: environment, client: parts.client, clock: clock,
            logger: parts.logger)
        let deployments = RuntimeDeployments(registry: registry, recipes: machine.library.recipes)
        let fleet = try machine.supervisor(
            clock: clock, random: random, threads: Int(volery_cpu_count()), logger: parts.logger,
            onChange: deployments.update)
        let verifier = KeyVerifier(
            store: storage.keys, hasher: storage.hasher, digests: HMACTokenDigest(random: random), clock: clock)
        let flow = InferenceFlow(
            registry: registry, keys: verifier, journal: parts.journal, clock: clock, ids: ids)
        let group = parts.eventLoops
        let core = try await GatewayCore(
            flow: flow, limits: GatewayLimits(configuration.limits), eventLoops: group, logger: parts.logger,
            certificates: configuration.limits.upstreamCertificates,
            startTask: { work in Task { await work() } })
        let control = ControlFlow(
            workspace: storage.workspace,
            parts: ControlFlow.Parts(
                keys: storage.keys, hasher: storage.hasher, verifier: verifier, deployments: storage.deployments,
                registry: refresh, usage: storage.usage, runtimes: { fleet.statuses }, clock: clock, ids: ids,
                random: random))
        addGauges(to: parts.metrics, core: core)
        let readiness: @Sendable () async -> Readiness = {
            Readiness(
                registry: registry.snapshot, services: fleet.statuses.filter { $0.state != .stopped },
                isDraining: core.isDraining,
                blocked: parts.journal.refusal.map { [$0.message] } ?? [],
                version: Version.text)
        }
        let api = ControlAPI(
            control: control, readiness: readiness, openAPI: BundledAPI.description(), operatorToken: operatorToken,
            ids: ids, clock: clock, logger: parts.logger)
        let openings = Openings { [announce, folder = parts.folder, clock, configuration] url, metricsURL in
            let file = PlatformFile(
                pid: getpid(), url: url, metricsURL: metricsURL, version: Version.text, started: clock.now,
                database: configuration.database.place)
            try file.write(in: folder)
            await announce(
                Announcement(url: url, metricsURL: metricsURL, newKey: newKey, readiness: await readiness()))
        }
        let shipper = JournalShipper(
            journal: parts.journal, store: storage.usage, clock: clock, random: random, logger: parts.logger)
        // In order of dependency; the end comes in reverse.
        try await ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    ShippingService(journal: parts.journal, shipper: shipper),
                    RegistryService(
                        refresh: refresh, wakeUps: storage.wakeUps, clock: clock, logger: parts.logger),
                    FleetService(supervisor: fleet, starting: starting(machine)),
                    metricsService(parts, group: group, openings: openings),
                    edge(core: core, api: api, group: group, openings: openings, logger: parts.logger),
                ].map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: parts.logger)
        ).run()
    }

    /// The models that this machine runs from the start: those whose files are here, and the default ones.
    private func starting(_ machine: MachineParts) -> [String] {
        guard configuration.roles.contains(.agent), configuration.defaultModels else { return [] }
        let defaults = Set(machine.defaults.map(\.name))
        return machine.library.recipes.filter { defaults.contains($0.name) || machine.store.isPresent($0) }.map(\.name)
    }

    private func firstKey(_ parts: Parts) async throws -> Secret? {
        let flow = FirstKeyFlow(
            workspace: parts.storage.workspace, keys: parts.storage.keys, hasher: parts.storage.hasher,
            place: FirstKeyFile(parts.folder), clock: clock, ids: ids, random: random)
        switch try await flow.run() {
        case .created(let token): return token.text
        case .healed, .kept: return nil
        }
    }

    private func addGauges(to metrics: PrometheusRegistry, core: GatewayCore) {
        metrics.addGauge("volery_requests_in_flight") { Double(core.requestsInFlight) }
        metrics.addGauge("volery_connections_open") { Double(core.openConnections) }
        metrics.addGauge("volery_request_body_bytes") { Double(core.bodyBytesHeld) }
    }

    private func metricsService(_ parts: Parts, group: any EventLoopGroup, openings: Openings) -> any Service {
        MetricsService(
            server: MetricsServer(registry: parts.metrics, host: configuration.metricsHost, logger: parts.logger),
            port: configuration.metricsPort, mayMove: !configuration.isMetricsPortChosen, group: group,
            logger: parts.logger
        ) { [host = configuration.metricsHost] port in
            await openings.metrics(PlatformFile.url(host: host, port: port) + "/metrics")
        }
    }

    private func edge(
        core: GatewayCore, api: ControlAPI, group: any EventLoopGroup, openings: Openings, logger: Logger
    ) -> any Service {
        var quiet = logger
        // Hummingbird says at "info" what the banner says better.
        quiet.logLevel = max(logger.logLevel, .notice)
        let application = Application(
            router: api.makeRouter(),
            server: HTTPServerBuilder { EdgeChannel(core: core, responder: $0) },
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), serverName: nil, backlog: 1024),
            onServerRunning: { [host = configuration.host, port = configuration.port] channel in
                await openings.edge(PlatformFile.url(host: host, port: channel.localAddress?.port ?? port))
            },
            eventLoopGroupProvider: .shared(group), logger: quiet)
        return EdgeService(
            server: application, core: core, drainTimeout: configuration.limits.drainTimeout, clock: clock,
            logger: logger)
    }
}
