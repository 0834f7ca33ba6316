import Inference
import NIOCore
import NIOSSL

/// The upstream connections of one event loop. Client and upstream share the loop, so that no byte changes threads.
final class UpstreamPool {
    private let eventLoop: any EventLoop
    private let turn: LoopTurn
    private let limits: GatewayLimits
    private let tls: UpstreamTLS
    private let connector: any UpstreamConnector
    private let memory = OutgoingMemory()
    private var shelves = ShortTable<Endpoint, Shelf>()
    /// Connections whose answer was complete for its client but has not ended, and until when it must.
    private var ending: [UInt64: (connection: UpstreamConnection, deadline: NIODeadline)] = [:]
    private var lastSerial: UInt64 = 0

    /// The idle connections to one endpoint. A connection knows its own, and need not look it up when it comes back.
    final class Shelf {
        fileprivate var idle: [UpstreamConnection] = []
        /// Whether the pool has it; one that became empty is let go of.
        fileprivate var isListed = false
    }

    init(
        eventLoop: any EventLoop, turn: LoopTurn, limits: GatewayLimits, tls: UpstreamTLS,
        connector: any UpstreamConnector
    ) {
        self.connector = connector
        self.eventLoop = eventLoop
        self.turn = turn
        self.limits = limits
        self.tls = tls
    }

    /// An idle connection that was used last, since that one is the least likely to be closing; nil when there is none.
    func idleConnection(to endpoint: Endpoint) -> UpstreamConnection? {
        guard let shelf = shelves.value(for: endpoint) else { return nil }
        while let connection = shelf.idle.popLast() {
            if connection.channel.isActive { return connection }
        }
        return nil
    }

    private func shelf(of endpoint: Endpoint) -> Shelf {
        if let shelf = shelves.value(for: endpoint) { return shelf }
        let shelf = Shelf()
        shelf.isListed = true
        shelves.insert(shelf, for: endpoint)
        return shelf
    }

    func connect(to endpoint: Endpoint) -> EventLoopFuture<UpstreamConnection> {
        let tls = self.tls
        let box = NIOLoopBound(self, eventLoop: eventLoop)
        return connector.connect(
            to: endpoint, on: eventLoop, timeout: limits.connectTimeout.timeAmount
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
        return UpstreamConnection(
            channel: channel, serial: lastSerial, endpoint: endpoint, pool: self, shelf: shelf(of: endpoint),
            memory: memory, turn: turn)
    }

    private static func tlsHandler(_ tls: UpstreamTLS, _ endpoint: Endpoint) throws -> NIOSSLClientHandler {
        // An address has no name to present; NIOSSL refuses one given as such.
        let isAddress = endpoint.host.contains(":") || endpoint.host.allSatisfy { $0.isNumber || $0 == "." }
        return try NIOSSLClientHandler(context: tls.context(), serverHostname: isAddress ? nil : endpoint.host)
    }

    /// - Returns: false when there are enough; the caller closes the connection then.
    func keep(_ connection: UpstreamConnection, of endpoint: Endpoint) -> Bool {
        endingIsOver(of: connection)
        if !connection.shelf.isListed { connection.shelf = shelf(of: endpoint) }
        guard connection.shelf.idle.count < limits.idleConnections else { return false }
        connection.shelf.idle.append(connection)
        return true
    }

    func forget(_ connection: UpstreamConnection, of endpoint: Endpoint) {
        endingIsOver(of: connection)
        let shelf = connection.shelf
        guard let index = shelf.idle.lastIndex(where: { $0 === connection }) else { return }
        shelf.idle.remove(at: index)
        guard shelf.idle.isEmpty else { return }
        shelf.isListed = false
        shelves.remove(endpoint)
    }

    private func endingIsOver(of connection: UpstreamConnection) {
        if !ending.isEmpty { ending[connection.serial] = nil }
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
        let limit = limits.idleConnectionTimeout.timeAmount
        // Closing takes each out of the pool by `forget`.
        for connection in Self.inOrder(idleConnections.filter { now - $0.idleSince > limit }) {
            connection.channel.close(promise: nil)
        }
    }

    func closeAll() {
        for connection in Self.inOrder(idleConnections) { connection.channel.close(promise: nil) }
    }

    private var idleConnections: [UpstreamConnection] { shelves.values.flatMap(\.idle) }

    /// The tables' own order differs from run to run.
    private static func inOrder(_ connections: [UpstreamConnection]) -> [UpstreamConnection] {
        connections.count < 2 ? connections : connections.sorted { $0.serial < $1.serial }
    }
}
