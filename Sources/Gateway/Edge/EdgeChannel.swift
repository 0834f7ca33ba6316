package import HummingbirdCore
package import Logging
package import NIOCore
package import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOSSL

/// One port for both planes: the gateway answers inference on the event loop, and everything else goes on to
/// Hummingbird, which is woken by the first such request of a connection.
package struct EdgeChannel: ServerChildChannel, HTTPChannelHandler {
    package typealias ColdChannel = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    package struct Value: ServerChildChannelValue {
        package let channel: any Channel
        /// Hummingbird's side; nil when the connection ended without needing it.
        let cold: EventLoopFuture<ColdChannel?>
    }

    package let responder: HTTPChannelHandler.Responder
    private let core: GatewayCore
    private let isLocal: Bool

    /// - Parameter isLocal: whether it serves a socket in the file system, which needs no TLS.
    package init(core: GatewayCore, isLocal: Bool = false, responder: @escaping HTTPChannelHandler.Responder) {
        self.core = core
        self.isLocal = isLocal
        self.responder = responder
    }

    package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            guard let context = core.context(of: channel.eventLoop) else { throw ChannelError.operationUnsupported }
            // Hummingbird's server turns half-closure on, by which a client that left looks like one that only stopped
            // sending. The edge wants to know at once.
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: false)
            try channel.syncOptions?.setOption(.recvAllocator, value: FirstRead.allocator)
            if !isLocal { try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1) }
            let tls = isLocal ? nil : core.options.tls
            if let tls {
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls.context))
            }
            let encoder = ResponseEncoder(memory: context.memory, turn: context.turn)
            let edge = EdgeHandler(
                core: core, loop: context, channel: channel, encoder: encoder, isTLS: tls != nil)
            try channel.pipeline.syncOperations.addHandlers([encoder, edge])
            return Value(channel: channel, cold: edge.cold.futureResult)
        }
    }

    package func handle(value: Value, logger: Logger) async {
        await withTaskCancellationHandler {
            do {
                guard let cold = try await value.cold.get() else { return }
                await handleHTTP(asyncChannel: cold, logger: logger)
            } catch {
                logger.debug("a connection ended while it was handed over", metadata: ["error": "\(error)"])
            }
        } onCancel: {
            value.channel.close(promise: nil)
        }
    }
}

/// How much a connection's first read takes. A connection keeps the memory of its last read as long as it is open, also
/// while a stream on it says nothing, so that NIO's usual 2 KiB would be a fifth of what an idle stream holds. It grows
/// with what comes.
enum FirstRead {
    private static let bytes = 1024

    static let allocator = AdaptiveRecvByteBufferAllocator(minimum: 64, initial: bytes, maximum: 64 << 10)
}
