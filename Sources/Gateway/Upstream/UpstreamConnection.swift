import Inference
import NIOCore
import NIOHTTP1
import NIOSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The last handler of an upstream connection: one request at a time, for one receiver.
final class UpstreamConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    let channel: any Channel
    /// Counts the connections of a pool, which acts on them in this order.
    let serial: UInt64
    private let endpoint: Endpoint
    /// Takes the connection back when it can serve again.
    private weak var pool: UpstreamPool?
    private var receiver: (any UpstreamReceiver)?
    private var hasHead = false
    private var keepsAlive = true
    private var isPaused = false
    /// Whether this connection has served before: an idle one may be closed by its server at any moment.
    private(set) var isReused = false
    /// When it became idle, by the loop's clock.
    private(set) var idleSince = NIODeadline.distantPast

    init(channel: any Channel, serial: UInt64, endpoint: Endpoint, pool: UpstreamPool) {
        self.channel = channel
        self.serial = serial
        self.endpoint = endpoint
        self.pool = pool
    }

    func send(_ head: HTTPRequestHead, body: ByteBuffer?, to receiver: any UpstreamReceiver) {
        self.receiver = receiver
        hasHead = false
        keepsAlive = true
        channel.write(wrapped(.head(head)), promise: nil)
        if let body { channel.write(wrapped(.body(.byteBuffer(body))), promise: nil) }
        channel.writeAndFlush(wrapped(.end(nil)), promise: nil)
    }

    private func wrapped(_ part: HTTPClientRequestPart) -> HTTPClientRequestPart { part }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let receiver else { return context.close(promise: nil) }
        switch unwrapInboundIn(data) {
        case .head(let head):
            hasHead = true
            keepsAlive = head.isKeepAlive
            receiver.upstreamDidReceive(status: Int(head.status.code), headers: head.headers)
        case .body(let bytes):
            receiver.upstreamDidReceive(bytes)
        case .end:
            release()
            receiver.upstreamDidEnd()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        receiver?.upstreamDidFinishReading()
    }

    func channelInactive(context: ChannelHandlerContext) {
        pool?.forget(self, of: endpoint)
        fail(hasHead ? .closedMidway : .closedBeforeHead)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let parserError = error as? HTTPParserError {
            fail(parserError == .invalidEOFState && hasHead ? .closedMidway : .invalid("\(parserError)"))
        }
        if !hasHead, error is NIOSSLError || error is NIOSSLExtraError { fail(.unreachable("\(error)")) }
        context.close(promise: nil)
    }

    private func fail(_ failure: UpstreamFailure) {
        keepsAlive = false
        guard let receiver else { return }
        self.receiver = nil
        receiver.upstreamDidFail(failure)
    }

    private func release() {
        receiver = nil
        resume()
        isReused = true
        idleSince = channel.eventLoop.now
        guard keepsAlive, channel.isActive, let pool, pool.keep(self, of: endpoint) else {
            return channel.close(promise: nil)
        }
    }
}

extension UpstreamConnection: UpstreamCall {
    func pause() {
        guard !isPaused else { return }
        isPaused = true
        setAutoRead(false)
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        setAutoRead(true)
    }

    func cancel() {
        receiver = nil
        // A reset, not an orderly end: a server may take the latter for a client that only stopped sending, and go on
        // generating for nobody. llama.cpp does.
        let channel = channel
        guard let options = channel as? any SocketOptionProvider else { return channel.close(promise: nil) }
        options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
    }

    private func setAutoRead(_ value: Bool) {
        do {
            try channel.syncOptions?.setOption(.autoRead, value: value)
        } catch {
            // Only a closed channel refuses the option, and that one reads nothing any more.
            channel.close(promise: nil)
        }
    }
}
