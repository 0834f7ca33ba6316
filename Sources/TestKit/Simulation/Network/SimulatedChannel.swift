package import NIOCore

/// A NIO channel over one end of a simulated connection.
// SAFETY: touched on the simulation's thread only.
package final class SimulatedChannel: Channel, @unchecked Sendable {
    package let allocator = ByteBufferAllocator()
    package let eventLoop: any EventLoop
    package var parent: (any Channel)? { nil }
    package var localAddress: SocketAddress? { nil }
    package var remoteAddress: SocketAddress? { nil }
    package var pipeline: ChannelPipeline { chain }
    package var _channelCore: any ChannelCore { core }
    package var closeFuture: EventLoopFuture<Void> { core.closePromise.futureResult }
    package var isWritable: Bool { core.isWritable }
    package var isActive: Bool { core.isActive }

    let core: SimulatedChannelCore
    /// Each holds the other until the channel is closed, as everywhere in NIO.
    private lazy var chain = ChannelPipeline(channel: self)

    private init(loop: SimulatedEventLoop, socket: SimulatedSocket) {
        eventLoop = loop
        core = SimulatedChannelCore(loop: loop, socket: socket)
        core.pipeline = pipeline
    }

    /// Makes the channel on its loop, runs the initializer, and lets it begin.
    /// - Returns: a future of that loop; it fails when the initializer does, and the connection is closed then.
    package static func start(
        on socket: SimulatedSocket, loop: SimulatedEventLoop,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        let channel = SimulatedChannel(loop: loop, socket: socket)
        let promise = loop.makePromise(of: (any Channel).self)
        loop.execute {
            initializer(channel).whenComplete { result in
                switch result {
                case .success:
                    channel.core.begin()
                    promise.succeed(channel)
                case .failure(let error):
                    channel.core.close0(error: error, mode: .all, promise: nil)
                    promise.fail(error)
                }
            }
        }
        return promise.futureResult
    }

    // MARK: Options

    package func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        eventLoop.submit { try self.core.set(option, value) }
    }

    package func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        eventLoop.submit { try self.core.option(option) }
    }

    package var syncOptions: (any NIOSynchronousChannelOptions)? { Options(core: core) }

    private struct Options: NIOSynchronousChannelOptions {
        let core: SimulatedChannelCore

        func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
            try core.set(option, value)
        }

        func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value { try core.option(option) }
    }
}

extension SimulatedChannel: SocketOptionProvider {
    package func unsafeSetSocketOption<Value: Sendable>(
        level: SocketOptionLevel, name: SocketOptionName, value: Value
    ) -> EventLoopFuture<Void> {
        eventLoop.makeSucceededVoidFuture()
    }

    package func unsafeSetSocketOption<Value: Sendable>(
        level: NIOBSDSocket.OptionLevel, name: NIOBSDSocket.Option, value: Value
    ) -> EventLoopFuture<Void> {
        eventLoop.submit {
            // Nobody here sets it but for a close that is a reset.
            if name == .so_linger { self.core.resetsOnClose = true }
        }
    }

    package func unsafeGetSocketOption<Value: Sendable>(
        level: SocketOptionLevel, name: SocketOptionName
    ) -> EventLoopFuture<Value> {
        eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    package func unsafeGetSocketOption<Value: Sendable>(
        level: NIOBSDSocket.OptionLevel, name: NIOBSDSocket.Option
    ) -> EventLoopFuture<Value> {
        eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }
}
