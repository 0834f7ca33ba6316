package import Inference
package import NIOCore
import NIOPosix

/// Opens the connections to upstreams: sockets, or pipes in a simulation.
package protocol UpstreamConnector: Sendable {
    /// - Parameters:
    ///   - eventLoop: where the channel lives.
    ///   - timeout: after it the future fails with `ChannelError.connectTimeout`.
    ///   - initializer: adds the channel's handlers before it becomes active.
    func connect(
        to endpoint: Endpoint, on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel>
}

/// TCP.
package struct SocketConnector: UpstreamConnector {
    package init() {}

    package func connect(
        to endpoint: Endpoint, on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: eventLoop)
            .connectTimeout(timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: FirstRead.allocator)
            .channelInitializer(initializer)
            .connect(host: endpoint.host, port: endpoint.port)
    }
}
