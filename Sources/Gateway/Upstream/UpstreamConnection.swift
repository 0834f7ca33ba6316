import Inference
import NIOCore
import NIOSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The last handler of an upstream connection: one request at a time, for one receiver.
final class UpstreamConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let channel: any Channel
    /// Counts the connections of a pool, which acts on them in this order.
    let serial: UInt64
    private let endpoint: Endpoint
    /// Takes the connection back when it can serve again.
    private weak var pool: UpstreamPool?
    private let memory: OutgoingMemory
    private let turn: LoopTurn
    /// A request that waits for the journal.
    private var heldBack: RequestTemplate.Rendered?
    /// Its place there.
    var shelf: UpstreamPool.Shelf
    private var context: ChannelHandlerContext?
    private var parser = ResponseParser()
    /// Of the last request's shape; most connections send one kind only.
    private var template: RequestTemplate?
    private var receiver: (any UpstreamReceiver)?
    private var hasHead = false
    private var keepsAlive = true
    private var isPaused = false
    /// Whether this connection has served before: an idle one may be closed by its server at any moment.
    private(set) var isReused = false
    /// When it became idle, by the loop's clock.
    private(set) var idleSince = NIODeadline.distantPast

    init(
        channel: any Channel, serial: UInt64, endpoint: Endpoint, pool: UpstreamPool, shelf: UpstreamPool.Shelf,
        memory: OutgoingMemory, turn: LoopTurn
    ) {
        self.memory = memory
        self.turn = turn
        self.channel = channel
        self.serial = serial
        self.endpoint = endpoint
        self.pool = pool
        self.shelf = shelf
    }

    /// Sends when the records that it stands behind are written. Only on a connection that the pool gave out. The
    /// receiver hears nothing before this returns, unless the request cannot be written at all.
    func send(_ request: UpstreamRequest, body: ByteBuffer, to receiver: any UpstreamReceiver) {
        self.receiver = receiver
        hasHead = false
        keepsAlive = true
        if template?.fits(request) != true { template = RequestTemplate(request.shape, to: endpoint) }
        let room = memory.buffer(capacity: template?.room(for: request, body) ?? 0)
        guard context != nil, let rendered = template?.render(request, body: body, into: room) else {
            fail(.unreachable("the request cannot be written"))
            return channel.close(promise: nil)
        }
        heldBack = rendered
        if turn.maySend(self) { sendHeldBack() }
    }

    func sendHeldBack() {
        // Of a call that was cancelled or has failed since, nothing is sent.
        guard let rendered = heldBack, let context else { return }
        heldBack = nil
        context.write(wrapOutboundOut(rendered.head), promise: nil)
        memory.keep(rendered.head)
        if let rest = rendered.rest { context.write(wrapOutboundOut(rest), promise: nil) }
        context.flush()
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Nobody asked, or not yet: a server that ends an idle connection may say so. Looked at first, since making
        // room may send what is held back.
        let isUnasked = receiver == nil || heldBack != nil
        turn.beginRead()
        defer { turn.endRead() }
        if isUnasked {
            fail(.closedBeforeHead)
            return context.close(promise: nil)
        }
        parser.feed(unwrapInboundIn(data))
        do throws(MessageFault) {
            // What is delivered may end this call, and begin the next one on this connection.
            while receiver != nil {
                let event = try parser.next()
                if case .incomplete = event { return }
                deliver(event)
            }
        } catch {
            fail(.invalid("\(error)"))
            context.close(promise: nil)
        }
    }

    private func deliver(_ event: ResponseParser.Event) {
        guard let receiver else { return }
        switch event {
        case .head(let head):
            hasHead = true
            keepsAlive = head.isPersistent
            receiver.upstreamDidReceive(status: head.status, headers: head.fields)
        case .body(let bytes):
            receiver.upstreamDidReceive(bytes)
        case .end:
            release()
            receiver.upstreamDidEnd()
        case .incomplete: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        receiver?.upstreamDidFinishReading()
    }

    func channelInactive(context: ChannelHandlerContext) {
        pool?.forget(self, of: endpoint)
        if receiver != nil, let event = parser.finish() { return deliver(event) }
        guard hasHead || !parser.isWithin else { return fail(.invalid("the connection closed within the head")) }
        fail(hasHead ? .closedMidway : .closedBeforeHead)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if hasHead {
            // Also where the end of the connection is the end of the answer: an error is no such end.
            fail(.closedMidway)
        } else if error is NIOSSLError || error is NIOSSLExtraError {
            fail(.unreachable("\(error)"))
        }
        context.close(promise: nil)
    }

    private func fail(_ failure: UpstreamFailure) {
        keepsAlive = false
        // Not before the receiver has asked.
        defer { heldBack = nil }
        guard let receiver else { return }
        self.receiver = nil
        receiver.upstreamDidFail(failure)
    }

    private func release() {
        receiver = nil
        resume()
        isReused = true
        idleSince = turn.now
        // With bytes behind the answer, the next request would get what nobody knows.
        guard keepsAlive, !parser.hasMore, channel.isActive, let pool, pool.keep(self, of: endpoint) else {
            return channel.close(promise: nil)
        }
    }
}

extension UpstreamConnection: HeldBack {}

extension UpstreamConnection: UpstreamCall {
    var isHeldBack: Bool { heldBack != nil }

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
        heldBack = nil
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
