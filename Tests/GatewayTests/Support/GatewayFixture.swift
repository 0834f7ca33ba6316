import Flows
import Gateway
import Hummingbird
import HummingbirdCore
import Inference
import Kernel
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import Tenancy

/// A running gateway before one upstream, with Hummingbird behind it, as the platform composes them.
struct GatewayFixture {
    static let model = "test-model"

    let port: Int
    let journal: MemoryJournal
    let core: GatewayCore

    /// Runs `body` against the gateway, and ends it afterwards.
    static func run(
        upstream port: Int = 1, scheme: Endpoint.Scheme = .http, upstreamModel: String = "upstream-name",
        limits: GatewayLimits = GatewayLimits(), journal mode: MemoryJournal.Mode = .group,
        keys: any KeyLookup = OneKeyStore(), keyLimits: KeyVerifier.Limits = KeyVerifier.Limits(),
        idempotency: IdempotencyFlow? = nil, options: EdgeOptions = EdgeOptions(), failuresPerMinute: Int = 20,
        credentials: any UpstreamCredentials = NoCredentials(), deployments: [Deployment]? = nil,
        admission: ScriptedAdmission = ScriptedAdmission(),
        _ body: (GatewayFixture) async throws -> Void
    ) async throws {
        let journal = MemoryJournal(mode)
        admission.write(on: journal.tape)
        let clock = SystemClock()
        let flow = InferenceFlow(
            registry: Registry(
                builtIn: deployments ?? [deployment(port: port, scheme: scheme, upstreamModel: upstreamModel)]),
            keys: KeyVerifier(
                store: keys, hasher: PlainHasher(), digests: PlainDigest(), clock: clock, limits: keyLimits,
                failures: FailedCredentials(
                    clock: clock, limits: FailedCredentials.Limits(perMinute: failuresPerMinute))),
            journal: journal, clock: clock, ids: IDSource(clock: clock, random: SystemRandom()),
            credentials: credentials, admission: admission)
        let group = MultiThreadedEventLoopGroup.singleton
        let core = try await GatewayCore(
            flow: flow, limits: limits, eventLoops: group,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            options: options, idempotency: idempotency, connector: TappedConnector(tape: journal.tape),
            startTask: { work in Task { await work() } })
        let router = Router()
        router.get("cold") { _, _ in "cold answer" }
        router.post("upload") { request, _ in
            var count = 0
            for try await piece in request.body { count += piece.readableBytes }
            return "\(count) bytes"
        }
        let (ports, found) = AsyncStream<Int>.makeStream()
        let application = Application(
            router: router,
            server: HTTPServerBuilder {
                TappedEdge(edge: EdgeChannel(core: core, responder: $0), tape: journal.tape)
            },
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: {
                found.yield($0.localAddress?.port ?? 0)
                found.finish()
            },
            eventLoopGroupProvider: .shared(group), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            let services = ServiceGroup(
                configuration: .init(
                    services: [application], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
            tasks.addTask { try await services.run() }
            var iterator = ports.makeAsyncIterator()
            let port = await iterator.next() ?? 0
            let result: Result<Void, any Error>
            do {
                result = .success(try await body(GatewayFixture(port: port, journal: journal, core: core)))
            } catch {
                result = .failure(error)
            }
            core.beginDraining()
            await core.endAll()
            await services.triggerGracefulShutdown()
            try await tasks.waitForAll()
            try result.get()
        }
    }

    static func deployment(
        port: Int, scheme: Endpoint.Scheme = .http, upstreamModel: String = "upstream-name", model: String = model,
        alias: String = "alias", environment: ModelEnvironment = .production, provider: ProviderID? = nil,
        number: UInt64 = 2, terms: DeploymentTerms = DeploymentTerms(), contextLimit: Int = 2048
    ) -> Deployment {
        Deployment(
            id: DeploymentID(ULID(high: 2, low: number)), model: ModelName(model).unsafelyKnown,
            environment: environment,
            aliases: [ModelName(alias).unsafelyKnown],
            wire: scheme == .builtIn ? .echo : .openAI,
            endpoint: Endpoint(scheme: scheme, host: "127.0.0.1", port: port), upstreamModel: upstreamModel,
            capabilities: [.chat, .completions, .embeddings], contextLimit: contextLimit, provider: provider,
            terms: terms, origin: .registered, registered: Instant(microseconds: 0))
    }

    // MARK: Requests

    static func request(
        _ method: String = "POST", _ path: String = "/v1/chat/completions", body: String = "", headers: String = "",
        token: String? = OneKeyStore.token, closes: Bool = true
    ) -> String {
        let authorization = token.map { "authorization: Bearer \($0)\r\n" } ?? ""
        let close = closes ? "connection: close\r\n" : ""
        let length = method == "POST" ? "content-length: \(body.utf8.count)\r\n" : ""
        return "\(method) \(path) HTTP/1.1\r\nhost: localhost\r\n\(authorization)\(headers)\(length)\(close)\r\n\(body)"
    }

    static func chat(_ more: String = "", model: String = model) -> String {
        #"{"model":"\#(model)","messages":[{"role":"user","content":"hello"}]\#(more)}"#
    }

    func send(_ text: String) async throws -> RawAnswer {
        RawAnswer(try await RawClient.connect(to: port).send(text))
    }

    func chat(_ more: String = "", model: String = GatewayFixture.model) async throws -> RawAnswer {
        try await send(Self.request(body: Self.chat(more, model: model)))
    }

    /// The records, once there are `count` of them or patience ends.
    func records(_ count: Int = 1) async throws -> [UsageRecord] {
        try await eventually { journal.records.count >= count }
        return journal.records
    }
}

extension Optional {
    /// For constants of these tests that are right by inspection.
    var unsafelyKnown: Wrapped {
        guard let self else { preconditionFailure("a constant of the tests is wrong") }
        return self
    }
}

/// Waits until `condition` holds, for at most a minute: what the test then expects says what is missing.
func eventually(_ condition: () -> Bool) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(60)
    while !condition(), clock.now < end { try await clock.sleep(for: .milliseconds(2)) }
}
