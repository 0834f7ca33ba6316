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
    private let settings: @Sendable () -> ConfigurationReport

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
    ///   - settings: reads them anew; their file may declare more than settings.
    ///   - announce: called once, when requests can come.
    package init(
        configuration: Configuration, environment: [String: String],
        settings: @escaping @Sendable () -> ConfigurationReport,
        announce: @escaping @Sendable (Announcement) async -> Void
    ) {
        self.configuration = configuration
        self.environment = environment
        self.settings = settings
        self.announce = announce
        ids = IDSource(clock: clock, random: random)
    }

    /// Runs until SIGTERM or SIGINT, then drains; returns when nothing of it is left, children included.
    /// - Throws: a `Problem` when the start is not possible.
    package func run() async throws {
        ReloadService.prepare()
        let folder = DataFolder(configuration.dataDir)
        try folder.create()
        let lock = try await takeLock(of: folder)
        defer { lock.release() }
        // Found before anything runs: a service that cannot start takes the others down, and each logs it.
        if configuration.port != 0, PortProbe.state(host: configuration.host, port: configuration.port) == .taken {
            throw portTaken
        }
        let writer = LogWriter()
        let logs = Logs(
            configuration, isForPerson: isatty(STDERR_FILENO) == 1, writer: writer, clock: clock)
        let metrics = PrometheusRegistry()
        metrics.addProcessMetrics(version: Version.text, started: Double(clock.now.microseconds) / 1e6)
        metrics.addCounter("volery_log_lines_dropped_total") { Double(writer.linesDropped) }
        MetricsSystem.bootstrap(metrics)
        defer { writer.flush() }
        do {
            try await run(folder: folder, logs: logs, metrics: metrics)
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw portTaken
        }
        logs.logger.notice("stopped")
    }

    private var portTaken: Problem {
        Problem(
            .addressInUse, "\(configuration.host):\(configuration.port) is taken by another program.",
            parameter: "port")
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

    private func run(folder: DataFolder, logs: Logs, metrics: PrometheusRegistry) async throws {
        let logger = logs.logger
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
                        logger: logger, accessLog: logs.requests, metrics: metrics)))
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
        let accessLog: (any AccessLog)?
        let metrics: PrometheusRegistry
    }

    private func serve(_ parts: Parts) async throws {
        let newKey = try await firstKey(parts)
        let operatorToken = try OperatorToken.ensure(in: parts.folder, random: random)
        let registry = Registry(builtIn: [DemoModel.deployment])
        let refresh = RegistryRefresh(
            registry: registry, store: parts.storage.deployments, routings: parts.storage.routings, clock: clock,
            announce: { parts.storage.wakeUps.wake(.registry) })
        try await refresh.refresh()
        let machine = try MachineParts(
            dataDir: configuration.dataDir, environment: environment, client: parts.client, clock: clock,
            logger: parts.logger)
        let deployments = RuntimeDeployments(registry: registry, recipes: machine.library.recipes)
        let fleet = try machine.supervisor(
            clock: clock, random: random, threads: Int(volery_cpu_count()), logger: parts.logger,
            onChange: deployments.update)
        let data = try await dataPlane(parts, registry: registry)
        let control = parts.storage.control(
            registry: refresh, verifier: data.verifier, revocations: data.follower,
            money: data.money.control(announce: { parts.storage.wakeUps.wake(.spending) }),
            clock: clock, ids: ids, random: random,
            health: { [board = data.core.flow.board, clock] in board.health(of: $0, by: clock) },
            runtimes: { fleet.statuses })
        addGauges(to: parts.metrics, core: data.core, failures: data.verifier.failures, denials: control.denials)
        parts.metrics.addGauge("volery_registry_age_seconds") { [clock] in
            refresh.freshness.read.map { Double((clock.now - $0).microseconds) / 1_000_000 } ?? 0
        }
        let board = data.core.flow.board
        for state in DeploymentHealth.State.allCases {
            parts.metrics.addGauge("volery_deployments", [("state", state.rawValue)]) { Double(board.count(state)) }
        }
        let readiness: @Sendable () async -> Readiness = {
            Readiness(
                registry: registry.snapshot, freshness: refresh.freshness,
                services: fleet.statuses.filter { $0.state != .stopped },
                isDraining: data.core.isDraining,
                blocked: parts.journal.refusal.map { [$0.message] } ?? [],
                version: Version.text)
        }
        let entrance = ControlEntrance(
            over: parts.storage, operatorToken: operatorToken, keys: data.verifier, clock: clock, ids: ids,
            random: random)
        let api = ControlAPI(
            control: { ControlFlow(caller: $0, parts: control) }, authentication: entrance.authentication,
            signIn: entrance.signIn, idempotency: data.idempotency, readiness: readiness,
            openAPI: BundledAPI.description(), ids: ids, clock: clock, logger: parts.logger)
        let upkeep = DeclarationUpkeep(
            started: settings().effective, settings: settings,
            control: ControlFlow(caller: Caller(principal: .platformOperator), parts: control),
            environment: environment, folder: parts.folder, clock: clock, random: random, logger: parts.logger)
        await upkeep.apply()
        let openings = openings(parts, newKey: newKey, readiness: readiness)
        // In order of dependency; the end comes in reverse.
        let services =
            storageServices(parts, data: data, refresh: refresh) + [
                FleetService(supervisor: fleet, starting: starting(machine)),
                metricsService(parts, group: parts.eventLoops, openings: openings),
                EdgePorts(
                    configuration: configuration, folder: parts.folder, core: data.core, api: api,
                    group: parts.eventLoops, openings: openings, clock: clock, logger: parts.logger
                ).service,
            ] + certificates(data.core, logger: parts.logger)
        let reload = ReloadService(logger: parts.logger, actions: [upkeep.apply, { upkeep.noteSettings() }])
        try await ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map { .init(service: $0) }
                    + [.init(service: reload, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: parts.logger)
        ).run()
    }

    /// What answers inference requests.
    private struct DataPlane {
        let verifier: KeyVerifier
        let idempotency: IdempotencyFlow
        let core: GatewayCore
        let follower: RevocationFollower
        let money: MoneyPlane
        /// Decisions of requests that called nobody.
        let routes: PendingRoutes
    }

    private func dataPlane(_ parts: Parts, registry: Registry) async throws -> DataPlane {
        let storage = parts.storage
        let verifier = verifier(over: storage)
        let credentials = ProviderCredentials(providers: storage.providers, secrets: storage.secrets)
        let money = MoneyPlane(
            over: storage.money, node: try NodeIdentity.ensure(in: parts.folder, ids: ids),
            isShared: configuration.database.isShared, settings: configuration.money, journal: parts.journal,
            clock: clock, logger: parts.logger)
        await money.begin(logger: parts.logger)
        var breaker = Breaker.Settings()
        breaker.failuresInRow = configuration.routing.breakerFailures
        breaker.pause = configuration.routing.breakerPause
        let flow = InferenceFlow(
            registry: registry, keys: verifier, journal: parts.journal, clock: clock, ids: ids,
            credentials: credentials, admission: money.admission,
            board: RoutingBoard(clock: clock, breaker: breaker, line: configuration.routing.queueLength),
            costs: money.books)
        let gatewayLimits = GatewayLimits(
            configuration.limits, wallWait: configuration.money.wallWait, routing: configuration.routing)
        let idempotency = IdempotencyFlow(
            store: storage.idempotency, digest: SHA256RequestDigest(), clock: clock, logger: parts.logger,
            hints: { storage.wakeUps.wakeUps(on: .idempotency) }, announce: { storage.wakeUps.wake(.idempotency) })
        let routes = PendingRoutes(store: storage.routes)
        let core = try await GatewayCore(
            flow: flow, limits: gatewayLimits, eventLoops: parts.eventLoops, logger: parts.logger,
            options: try edgeOptions(), idempotency: idempotency,
            certificates: configuration.limits.upstreamCertificates, accessLog: parts.accessLog,
            routes: routes, startTask: { work in Task { await work() } })
        let follower = RevocationFollower(
            store: storage.revocations, keys: verifier, requests: core, credentials: credentials, clock: clock,
            logger: parts.logger, announce: { storage.wakeUps.wake(.revocation) })
        try await follower.catchUp()
        return DataPlane(
            verifier: verifier, idempotency: idempotency, core: core, follower: follower, money: money,
            routes: routes)
    }

    /// What works between memory and the database, in the background.
    private func storageServices(_ parts: Parts, data: DataPlane, refresh: RegistryRefresh) -> [any Service] {
        let storage = parts.storage
        let shipper = JournalShipper(
            journal: parts.journal, store: data.money.settlement, clock: clock, random: random, logger: parts.logger,
            limits: JournalShipper.Limits(configuration.journal))
        return data.money.services(wakeUps: storage.wakeUps, logger: parts.logger) + [
            ShippingService(journal: parts.journal, shipper: shipper),
            AuditAnchoringService(
                anchoring: storage.anchoring, wakeUps: storage.wakeUps, clock: clock, logger: parts.logger),
            RegistryService(refresh: refresh, wakeUps: storage.wakeUps, clock: clock, logger: parts.logger),
            HealthService(
                watch: HealthWatch(
                    registry: refresh.registry, board: data.core.flow.board,
                    probe: HTTPDeploymentProbe(client: parts.client), clock: clock),
                interval: configuration.routing.healthInterval, clock: clock),
            RevocationService(
                follower: data.follower, wakeUps: storage.wakeUps, clock: clock, logger: parts.logger),
            KeyUseService(
                uses: KeyUses(keys: data.verifier, store: storage.keys), clock: clock, logger: parts.logger),
            Housekeeping(
                chores: Housekeeping.chores(
                    over: storage, routeRetention: configuration.routeRetention, clock: clock, ids: ids),
                clock: clock, logger: parts.logger),
            RouteService(routes: data.routes, clock: clock, logger: parts.logger),
        ]
    }

    private func openings(
        _ parts: Parts, newKey: Secret?, readiness: @escaping @Sendable () async -> Readiness
    ) -> Openings {
        Openings(needsSocket: configuration.edge.tls != nil) {
            [announce, folder = parts.folder, clock, configuration] url, metricsURL in
            let file = PlatformFile(
                pid: getpid(), url: url, metricsURL: metricsURL, version: Version.text, started: clock.now,
                database: configuration.database.place,
                control: configuration.edge.tls == nil ? nil : PlatformFile.url(socket: folder.controlSocket))
            try file.write(in: folder)
            await announce(
                Announcement(url: url, metricsURL: metricsURL, newKey: newKey, readiness: await readiness()))
            volery_forget_startup_code()
        }
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

    private func verifier(over storage: StorageParts) -> KeyVerifier {
        var limits = KeyVerifier.Limits()
        limits.staleness = configuration.edge.keyMaxStaleness
        limits.freshness = min(limits.freshness, limits.staleness)
        return KeyVerifier(
            store: storage.keys, hasher: storage.hasher, digests: HMACTokenDigest(random: random), clock: clock,
            limits: limits,
            failures: FailedCredentials(
                clock: clock, limits: FailedCredentials.Limits(perMinute: configuration.edge.failedCredentialLimit)))
    }

    private func edgeOptions() throws(Problem) -> EdgeOptions {
        let edge = configuration.edge
        return EdgeOptions(
            addresses: ClientAddress(trusting: edge.trustedProxies), origins: CrossOrigin(origins: edge.corsOrigins),
            tls: try edge.tls.map { files throws(Problem) in
                try EdgeTLS(certificate: files.certificate, key: files.key)
            })
    }

    private func certificates(_ core: GatewayCore, logger: Logger) -> [any Service] {
        guard let tls = core.options.tls else { return [] }
        return [CertificateService(tls: tls, clock: clock, logger: logger)]
    }

    private func addGauges(
        to metrics: PrometheusRegistry, core: GatewayCore, failures: FailedCredentials, denials: DenialLog
    ) {
        metrics.addCounter("volery_denials_total") { Double(denials.denials) }
        metrics.addCounter("volery_denials_unrecorded_total") { Double(denials.unrecorded) }
        metrics.addCounter("volery_failed_credentials_total") { Double(failures.failures) }
        metrics.addCounter("volery_throttled_credentials_total") { Double(failures.refusals) }
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
}
