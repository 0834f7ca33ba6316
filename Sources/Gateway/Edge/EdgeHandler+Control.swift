import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// What goes out and on in NIO's parts: a hundred before an answer, and requests that the event loop does not answer
/// itself, which go to Hummingbird.
extension EdgeHandler {
    func sendContinue(_ head: RequestHead, context: ChannelHandlerContext) {
        guard !head.version.isBeforeOneOne else { return }
        let part = HTTPServerResponsePart.head(HTTPResponseHead(version: head.version, status: .continue))
        context.writeAndFlush(wrapOutboundOut(part), promise: nil)
    }

    /// Hands a request's head over; body and end follow it.
    func handOver(_ head: RequestHead, context: ChannelHandlerContext) {
        do {
            try wake(context: context)
            coldOrigin = core.headers.origins.fields(for: head.headers)
            var whole = head.whole
            let client = core.options.addresses.client(peer: peer, headers: head.headers)
            core.options.addresses.note(client, in: &whole.headers)
            context.fireChannelRead(wrapInboundOut(.head(whole)))
        } catch {
            core.logger.error("the control plane's handlers could not be added", metadata: ["error": "\(error)"])
            close()
        }
    }

    private func wake(context: ChannelHandlerContext) throws {
        try allowHalfClosure(true)
        guard !isWoken else { return }
        isWoken = true
        do {
            try context.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            cold.succeed(
                try EdgeChannel.ColdChannel(
                    wrappingChannelSynchronously: context.channel,
                    configuration: .init(isOutboundHalfClosureEnabled: true)))
        } catch {
            cold.fail(error)
            throw error
        }
    }
}
