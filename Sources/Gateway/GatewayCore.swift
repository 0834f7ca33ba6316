package import Flows
package import Inference
import Kernel
package import Logging
package import NIOCore
import Synchronization

/// Starts a task that is nobody's child; App and simulations decide where it runs.
package typealias StartTask = @Sendable (_ work: @escaping @Sendable () async -> Void) -> Void

/// The gateway's part that all connections share. Its loops' parts are made once and never change.
package final class GatewayCore: Sendable {
    package let flow: InferenceFlow
    package let limits: GatewayLimits
    package let options: EdgeOptions
    let headers: AnswerHeaders
    let logger: Logger
    let accessLog: (any AccessLog)?
    /// Takes decisions of requests that called nobody.
    let routes: (any RouteLog)?
    let startTask: StartTask
    let idempotency: IdempotencyGate?
    private let loops: [ObjectIdentifier: NIOLoopBound<LoopContext>]
    /// The same in the group's order.
    let loopsInOrder: [NIOLoopBound<LoopContext>]
    private let inFlight = Atomic<Int>(0)
    private let bodiesHeld = Atomic<Int>(0)
    /// The generic types of every connection, made before the port opens. Swift's runtime (6.3.1) was seen to crash
    /// when several loops met them for the first time at one moment, as after a restart into waiting clients.
    private let pipelineTypes = [
        ObjectIdentifier(EdgeChannel.ColdChannel.self), ObjectIdentifier(EventLoopFuture<EdgeChannel.Value>.self),
    ]
    private let connections = Atomic<Int>(0)
    private let draining = Atomic<Bool>(false)

    /// - Parameters:
    ///   - eventLoops: every loop that will serve connections.
    ///   - accessLog: without it, requests are not logged when they end.
    ///   - routes: without it, decisions of requests that called nobody are not kept.
    ///   - startTask: starts what an event loop cannot wait for: the check of a key that was not seen before.
    ///   - idempotency: without it, keys of requests mean nothing.
    ///   - certificates: a PEM file of the authorities that upstreams are checked against; nil uses the system's.
    package init(
        flow: InferenceFlow, limits: GatewayLimits, eventLoops: any EventLoopGroup, logger: Logger,
        options: EdgeOptions = EdgeOptions(), idempotency: IdempotencyFlow? = nil, certificates: String? = nil,
        connector: any UpstreamConnector = SocketConnector(), accessLog: (any AccessLog)? = nil,
        routes: (any RouteLog)? = nil, startTask: @escaping StartTask
    ) async throws {
        self.flow = flow
        self.limits = limits
        self.options = options
        headers = AnswerHeaders(origins: options.origins, isTLS: options.tls != nil)
        self.logger = logger
        self.accessLog = accessLog
        self.routes = routes
        self.startTask = startTask
        self.idempotency = idempotency.map { IdempotencyGate(flow: $0, limits: limits) }
        let tls = try UpstreamTLS(certificates: certificates)
        var loops: [ObjectIdentifier: NIOLoopBound<LoopContext>] = [:]
        var loopsInOrder: [NIOLoopBound<LoopContext>] = []
        for eventLoop in eventLoops.makeIterator() {
            let loop = try await eventLoop.submit {
                NIOLoopBound(
                    LoopContext(eventLoop: eventLoop, flow: flow, limits: limits, tls: tls, connector: connector),
                    eventLoop: eventLoop)
            }.get()
            loops[ObjectIdentifier(eventLoop)] = loop
            loopsInOrder.append(loop)
        }
        self.loops = loops
        self.loopsInOrder = loopsInOrder
    }

    /// Requests that are being answered now.
    package var requestsInFlight: Int { inFlight.load(ordering: .relaxed) }
    /// Bytes of request bodies held now.
    package var bodyBytesHeld: Int { bodiesHeld.load(ordering: .relaxed) }
    /// Bytes of answers held now for their idempotency keys.
    package var keptBytesHeld: Int { idempotency?.bytesHeld ?? 0 }

    /// Client connections that are open now.
    package var openConnections: Int { connections.load(ordering: .relaxed) }

    package var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// From now on new requests are refused; running ones go on.
    package func beginDraining() { draining.store(true, ordering: .relaxed) }

    /// Ends every request that still runs, each with an error that says why, and closes the idle upstreams.
    package func endAll() async {
        for loop in loopsInOrder {
            _ = try? await loop.eventLoop.submit { loop.value.endAll() }.get()
        }
    }

    /// The part of the loop that we are on. A loop that was not announced has none: that is a fault of our own wiring.
    func context(of eventLoop: any EventLoop) -> LoopContext? { loops[ObjectIdentifier(eventLoop)]?.value }

    /// Whether a request of this priority may begin: the last places are kept for the higher ones.
    func hasRoom(for priority: RequestPriority) -> Bool {
        let most = limits.maximumRequests
        let open = inFlight.load(ordering: .relaxed)
        switch priority {
        case .low: return open < most - most / 5
        case .normal: return open < most - most / 20
        case .high: return true
        }
    }

    /// Takes a place among the running requests; every success is paired with one `leave()`.
    func enter() -> Bool {
        guard inFlight.wrappingAdd(1, ordering: .relaxed).newValue <= limits.maximumRequests else {
            leave()
            return false
        }
        return true
    }

    /// Counts a connection that opened; every call is paired with one `connectionDidClose()`.
    /// - Returns: whether there is room for it.
    func connectionDidOpen() -> Bool {
        connections.wrappingAdd(1, ordering: .relaxed).newValue <= limits.maximumConnections
    }

    func connectionDidClose() { connections.wrappingSubtract(1, ordering: .relaxed) }

    func leave() { inFlight.wrappingSubtract(1, ordering: .relaxed) }

    /// Takes room for body bytes; every success is paired with a `release` of as many.
    func reserve(bodyBytes count: Int) -> Bool {
        guard bodiesHeld.wrappingAdd(count, ordering: .relaxed).newValue <= limits.maximumBodiesHeld else {
            release(bodyBytes: count)
            return false
        }
        return true
    }

    func release(bodyBytes count: Int) { bodiesHeld.wrappingSubtract(count, ordering: .relaxed) }
}

/// What one event loop has for itself.
final class LoopContext {
    let eventLoop: any EventLoop
    let pool: UpstreamPool
    /// For what goes to clients; what goes to upstreams, with their credentials, has its own.
    let memory = OutgoingMemory()
    let sweeper = Sweeper()
    let metrics = GatewayMetrics()
    let turn: LoopTurn
    var mutes = CountMutes()

    init(
        eventLoop: any EventLoop, flow: InferenceFlow, limits: GatewayLimits, tls: UpstreamTLS,
        connector: any UpstreamConnector
    ) {
        self.eventLoop = eventLoop
        turn = LoopTurn(eventLoop: eventLoop, journal: flow.journal, clock: flow.clock)
        pool = UpstreamPool(eventLoop: eventLoop, turn: turn, limits: limits, tls: tls, connector: connector)
        let pool = self.pool
        sweeper.start(on: eventLoop) { pool.sweep(now: $0) }
    }

    func endAll() {
        for member in sweeper.all {
            if let connection = member as? EdgeHandler { connection.endForShutdown() }
            // Its client has left.
            if let exchange = member as? Exchange { exchange.end(for: Problem(.shuttingDown, retryAfter: 1)) }
        }
        pool.closeAll()
    }
}
