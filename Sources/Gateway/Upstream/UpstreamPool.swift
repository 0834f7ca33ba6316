import Inference
import NIOCore
import NIOSSL

/// The upstream connections of one event loop. Client and upstream share the loop, so that no byte changes threads.
final class UpstreamPool {
    private let eventLoop: any EventLoop
    private let limits: GatewayLimits
    private let tls: UpstreamTLS
    private let connector: any UpstreamConnector
    private var idle: [Endpoint: [UpstreamConnection]] = [:]
    /// Connections whose answer was complete for its client but has not ended, and until when it must.
    private var ending: [UInt64: (connection: UpstreamConnection, deadline: NIODeadline)] = [:]
    private var lastSerial: UInt64 = 0

    init(
        eventLoop: any EventLoop, limits: GatewayLimits, tls: UpstreamTLS, connector: any UpstreamConnector
    ) {
        self.connector = connector
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
        return connector.connect(
            to: endpoint, on: eventLoop, timeout: TimeAmount(limits.connectTimeout)
        ) { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                if endpoint.scheme == .https { try pipeline.addHandler(Self.tlsHandler(tls, endpoint)) }
                try pipeline.addHandler(box.value.makeConnection(of: channel, to: endpoint))
            }
        }
        .flatMapThrowing { channel in
            try channel.pipeline.syncOperations.handler(type: UpstreamConnection.self)
        }
    }

    private func makeConnection(of channel: any Channel, to endpoint: Endpoint) -> UpstreamConnection {
        lastSerial += 1
        return UpstreamConnection(channel: channel, serial: lastSerial, endpoint: endpoint, pool: self)
    }

    private static func tlsHandler(_ tls: UpstreamTLS, _ endpoint: Endpoint) throws -> NIOSSLClientHandler {
        // An address has no name to present; NIOSSL refuses one given as such.
        let isAddress = endpoint.host.contains(":") || endpoint.host.allSatisfy { $0.isNumber || $0 == "." }
        return try NIOSSLClientHandler(context: tls.context(), serverHostname: isAddress ? nil : endpoint.host)
    }

    /// - Returns: false when there are enough; the caller closes the connection then.
    func keep(_ connection: UpstreamConnection, of endpoint: Endpoint) -> Bool {
        ending[connection.serial] = nil
        guard idle[endpoint, default: []].count < limits.idleConnections else { return false }
        idle[endpoint, default: []].append(connection)
        return true
    }

    func forget(_ connection: UpstreamConnection, of endpoint: Endpoint) {
        ending[connection.serial] = nil
        guard let index = idle[endpoint]?.lastIndex(where: { $0 === connection }) else { return }
        idle[endpoint]?.remove(at: index)
        if idle[endpoint]?.isEmpty == true { idle[endpoint] = nil }
    }

    /// Gives a connection a little time to end an answer that nobody waits for any more.
    func expectEnd(of connection: UpstreamConnection) {
        ending[connection.serial] = (connection, eventLoop.now + .seconds(2))
    }

    /// Closes what has been idle for too long, and what does not end.
    func sweep(now: NIODeadline) {
        for connection in Self.inOrder(ending.values.filter { $0.deadline <= now }.map(\.connection)) {
            connection.cancel()
        }
        let limit = TimeAmount(limits.idleConnectionTimeout)
        // Closing takes each out of the pool by `forget`.
        for connection in Self.inOrder(idle.values.joined().filter { now - $0.idleSince > limit }) {
            connection.channel.close(promise: nil)
        }
    }

    func closeAll() {
        for connection in Self.inOrder(Array(idle.values.joined())) { connection.channel.close(promise: nil) }
    }

    /// The tables' own order differs from run to run.
    private static func inOrder(_ connections: [UpstreamConnection]) -> [UpstreamConnection] {
        connections.count < 2 ? connections : connections.sorted { $0.serial < $1.serial }
    }
}
