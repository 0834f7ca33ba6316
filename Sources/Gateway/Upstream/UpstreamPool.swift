import Inference
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// The upstream connections of one event loop. Client and upstream share the loop, so that no byte changes threads.
final class UpstreamPool {
    private let eventLoop: any EventLoop
    private let limits: GatewayLimits
    private let tls: NIOSSLContext
    private var idle: [Endpoint: [UpstreamConnection]] = [:]
    /// Connections whose answer was complete for its client but has not ended, and until when it must.
    private var ending: [ObjectIdentifier: (connection: UpstreamConnection, deadline: NIODeadline)] = [:]

    init(eventLoop: any EventLoop, limits: GatewayLimits, tls: NIOSSLContext) {
        self.eventLoop = eventLoop
        self.limits = limits
        self.tls = tls
    }

    /// An idle connection that was used last, since that one is the least likely to be closing; nil when there is none.
    func idleConnection(to endpoint: Endpoint) -> UpstreamConnection? {
        while let connection = idle[endpoint]?.popLast() {
            if connection.channel.isActive { return connection }
        }
        return nil
    }

    func connect(to endpoint: Endpoint) -> EventLoopFuture<UpstreamConnection> {
        let tls = self.tls
        let box = NIOLoopBound(self, eventLoop: eventLoop)
        return ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(limits.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if endpoint.scheme == .https { try pipeline.addHandler(Self.tlsHandler(tls, endpoint)) }
                    try pipeline.addHandler(HTTPRequestEncoder())
                    try pipeline.addHandler(
                        ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes)))
                    try pipeline.addHandler(
                        UpstreamConnection(channel: channel, endpoint: endpoint, pool: box.value))
                }
            }
            .connect(host: endpoint.host, port: endpoint.port)
            .flatMapThrowing { channel in
                try channel.pipeline.syncOperations.handler(type: UpstreamConnection.self)
            }
    }

    private static func tlsHandler(_ tls: NIOSSLContext, _ endpoint: Endpoint) throws -> NIOSSLClientHandler {
        // An address has no name to present; NIOSSL refuses one given as such.
        let isAddress = endpoint.host.contains(":") || endpoint.host.allSatisfy { $0.isNumber || $0 == "." }
        return try NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : endpoint.host)
    }

    /// - Returns: false when there are enough; the caller closes the connection then.
    func keep(_ connection: UpstreamConnection, of endpoint: Endpoint) -> Bool {
        ending[ObjectIdentifier(connection)] = nil
        guard idle[endpoint, default: []].count < limits.idleConnections else { return false }
        idle[endpoint, default: []].append(connection)
        return true
    }

    func forget(_ connection: UpstreamConnection, of endpoint: Endpoint) {
        ending[ObjectIdentifier(connection)] = nil
        guard let index = idle[endpoint]?.lastIndex(where: { $0 === connection }) else { return }
        idle[endpoint]?.remove(at: index)
        if idle[endpoint]?.isEmpty == true { idle[endpoint] = nil }
    }

    /// Gives a connection a little time to end an answer that nobody waits for any more.
    func expectEnd(of connection: UpstreamConnection) {
        ending[ObjectIdentifier(connection)] = (connection, .now() + .seconds(2))
    }

    /// Closes what has been idle for too long, and what does not end.
    func sweep(now: NIODeadline) {
        for (connection, deadline) in ending.values where deadline <= now { connection.cancel() }
        let limit = TimeAmount(limits.idleConnectionTimeout)
        let old = idle.values.joined().filter { now - $0.idleSince > limit }
        // Closing takes each out of the pool by `forget`.
        for connection in old { connection.channel.close(promise: nil) }
    }

    func closeAll() {
        for connection in Array(idle.values.joined()) { connection.channel.close(promise: nil) }
    }
}
