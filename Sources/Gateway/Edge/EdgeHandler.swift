import Flows
import Kernel
import Logging
import NIOCore
import NIOHTTP1

/// The last handler of the gateway's own pipeline, and the only one that knows both planes.
///
/// One request at a time: what follows stays in the parser until this answer has ended, and once some of it has come,
/// nothing more is read. The event loop's requests are never made into NIO's parts: only the control plane's are.
final class EdgeHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        /// Between two requests.
        case idle
        /// A request that the event loop answers itself.
        case hot(Exchange)
        /// A request that Hummingbird answers, and which of both have ended.
        case cold(isReceived: Bool, isAnswered: Bool)
        /// The answer was given before the request ended. What still comes is thrown away, up to a bound: a client that
        /// is cut off while it sends would see a reset instead of the answer.
        case discarding(left: Int)
        case closing
    }

    static let discardLimit = 256 << 20
    static let discardTimeout = TimeAmount.seconds(10)

    let core: GatewayCore
    let loop: LoopContext
    let channel: any Channel
    private let encoder: ResponseEncoder
    let cold: EventLoopPromise<EdgeChannel.ColdChannel?>
    private var phase = Phase.idle
    var isWoken = false
    var credential = CredentialMemo()
    /// Whether a client that only stops sending may stay, as Hummingbird wants it.
    private var allowsHalfClosure = false
    private var isFirst = true
    private(set) var deadline: NIODeadline
    private var context: ChannelHandlerContext?
    private var parser: RequestParser
    /// Whether events are being taken from the parser further up the stack, which goes on with them.
    private var isTaking = false
    /// Whether what was fed is no HTTP: nothing of it is looked at any more.
    private var isBroken = false
    /// Whether the client said that it sends nothing more, where that is told later.
    private var isInputClosed = false
    /// Whether the server wants to end: the connection serves what it has begun, and no more.
    private(set) var isQuiescing = false
    /// Completed when the socket has taken the end of the last answer; nil where that is not waited for.
    private var lastWritten: EventLoopFuture<Void>?
    private var isReadPending = false
    private let isTLS: Bool
    /// The address at the other end. Known once the connection is.
    private(set) lazy var peer = ClientAddress.peer(of: channel)
    /// What the answer of the control plane that runs says about origins.
    var coldOrigin: [(String, String)] = []
    /// Tells one idle time from the next.
    private var idleTurn: UInt64 = 0

    init(core: GatewayCore, loop: LoopContext, channel: any Channel, encoder: ResponseEncoder, isTLS: Bool) {
        self.encoder = encoder
        self.isTLS = isTLS
        self.core = core
        self.loop = loop
        self.channel = channel
        parser = RequestParser(maximumHead: core.limits.maximumHeaders)
        cold = channel.eventLoop.makePromise()
        deadline = loop.turn.now + core.limits.headTimeout.timeAmount
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.sweeper.add(self)
        if !core.connectionDidOpen() { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        loop.sweeper.remove(self)
        core.connectionDidClose()
        self.context = nil
        if !isWoken {
            isWoken = true
            cold.succeed(nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .hot(let exchange) = phase {
            phase = .closing
            exchange.clientDidLeave()
        }
        phase = .closing
        deadline = .distantFuture
        context.fireChannelInactive()
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        loop.turn.beginRead()
        defer { loop.turn.endRead() }
        let bytes = unwrapInboundIn(data)
        if isBroken { return discard(bytes.readableBytes) }
        if case .closing = phase { return }
        parser.feed(bytes)
        take(context: context)
    }

    /// Handles what has come, as far as it may be handled now.
    private func take(context: ChannelHandlerContext) {
        guard !isTaking else { return }
        isTaking = true
        defer { isTaking = false }
        do throws(MessageFault) {
            while mayTake {
                let event = try parser.next()
                if case .incomplete = event { return }
                handle(event, context: context)
            }
        } catch {
            isBroken = true
            requestIsBroken(error)
        }
    }

    private var mayTake: Bool {
        switch phase {
        case .idle, .discarding: true
        case .hot(let exchange): !exchange.isReceived
        case .cold(let isReceived, _): !isReceived
        case .closing: false
        }
    }

    private func handle(_ event: RequestParser.Event, context: ChannelHandlerContext) {
        switch (phase, event) {
        case (.idle, .head(let head)): begin(head, context: context)
        case (.idle, _), (.closing, _), (_, .incomplete): break
        case (.hot(let exchange), .body(let bytes)): exchange.receive(bytes)
        case (.hot(let exchange), .end): exchange.receiveEnd()
        case (.cold, .body(let bytes)): context.fireChannelRead(wrapInboundOut(.body(bytes)))
        case (.cold(_, let isAnswered), .end):
            phase = .cold(isReceived: true, isAnswered: isAnswered)
            deadline = loop.turn.now + core.limits.wholeTimeout.timeAmount
            context.fireChannelRead(wrapInboundOut(.end(nil)))
            if case .cold(true, true) = phase { becomeIdle() }
        case (.discarding, .body(let bytes)): discard(bytes.readableBytes)
        case (.discarding, .end): closeWhenWritten()
        case (.discarding, .head), (.hot, .head), (.cold, .head): close()
        }
    }

    private func discard(_ count: Int) {
        guard case .discarding(let left) = phase else { return }
        guard count < left else { return close() }
        phase = .discarding(left: left - count)
    }

    /// Goes on with what came while an answer was written.
    private func goOn() {
        guard !isTaking, let context else { return }
        take(context: context)
        // Hummingbird's channel hands over what was delivered only then.
        if isWoken { context.fireChannelReadComplete() }
        if case .idle = phase, isInputClosed {
            isInputClosed = false
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
        if isReadPending, mayRead { resumeReading(context) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Hummingbird's channel hands over what was read only now.
        if isWoken { context.fireChannelReadComplete() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            isQuiescing = true
            if case .idle = phase { closeWhenWritten() }
        case ChannelEvent.inputClosed:
            if case .cold(false, _) = phase { return close() }
            if case .idle = phase, parser.isWithin { return close() }
            // Behind the requests that came before it.
            if parser.hasMore { isInputClosed = true } else { context.fireUserInboundEventTriggered(event) }
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    private func requestIsBroken(_ fault: MessageFault) {
        switch phase {
        case .idle: refuse(Problem(fault))
        case .hot(let exchange): exchange.requestIsBroken(Problem(fault))
        // Not told: Hummingbird would answer a second time.
        case .cold, .discarding, .closing: close()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .hot(let exchange) = phase { exchange.clientWritabilityDidChange(to: context.channel.isWritable) }
        if isReadPending, mayRead { resumeReading(context) }
        context.fireChannelWritabilityChanged()
    }

    /// A client that does not take its answers gives no further requests: they would pile up answers in memory. And
    /// what follows a request can wait until that is answered; but nothing is done against it until something has come,
    /// since telling the kernel so twice for each request costs more. That the client leaves is still seen.
    func read(context: ChannelHandlerContext) {
        if mayRead { context.read() } else { isReadPending = true }
    }

    private var mayRead: Bool {
        switch phase {
        case .cold(let isReceived, _): !isReceived
        case .hot(let exchange): (!exchange.isReceived || !parser.hasMore) && channel.isWritable
        case .idle, .discarding, .closing: channel.isWritable
        }
    }

    private func resumeReading(_ context: ChannelHandlerContext) {
        isReadPending = false
        context.read()
    }

    private func begin(_ head: RequestHead, context: ChannelHandlerContext) {
        isFirst = false
        let route = core.headers.origins.isPreflight(head) ? .preflight : EdgeRoute.of(head)
        if head.headers.first(name: "expect")?.lowercased() == "100-continue" { sendContinue(head, context: context) }
        guard route == .cold else {
            deadline = .distantFuture
            let exchange = Exchange(edge: self, head: head, route: route)
            phase = .hot(exchange)
            return exchange.begin()
        }
        deadline = loop.turn.now + core.limits.bodyTimeout.timeAmount
        phase = .cold(isReceived: false, isAnswered: false)
        handOver(head, context: context)
    }

    // MARK: Writing

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // Hummingbird's answers pass through here.
        switch (unwrapOutboundIn(data), phase) {
        case (.head(var head), .cold):
            core.headers.add(to: &head.headers, cross: coldOrigin)
            if isQuiescing { head.headers.replaceOrAdd(name: "connection", value: "close") }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case (.end, .cold) where isQuiescing:
            phase = .closing
            let written = context.write(data)
            written.cascade(to: promise)
            written.whenComplete { [channel] _ in channel.close(promise: nil) }
        case (.end, .cold(let isReceived, _)):
            phase = .cold(isReceived: isReceived, isAnswered: true)
            context.write(data, promise: promise)
            if isReceived {
                becomeIdle()
                goOn()
            }
        default: context.write(data, promise: promise)
        }
    }

    /// Hummingbird answers no more, so that nothing more is asked.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .output { phase = .closing }
        context.close(mode: mode, promise: promise)
    }

    /// Called by the exchange just before it writes the end of its answer.
    /// - Parameters:
    ///   - isReceived: whether the whole request was read.
    ///   - closes: whether the connection cannot serve another request; `close()` comes after the write then.
    func exchangeWillEnd(isReceived: Bool, closes: Bool) {
        guard case .hot = phase else { return }
        if !isReceived {
            phase = .discarding(left: Self.discardLimit)
            deadline = loop.turn.now + Self.discardTimeout
        } else if closes {
            phase = .closing
            deadline = .distantFuture
        } else {
            becomeIdle()
        }
    }

    /// Called by the exchange when it has written the end: now the next request may come.
    func exchangeDidEnd() { goOn() }

    private func becomeIdle() {
        if isQuiescing { return closeWhenWritten() }
        do {
            try allowHalfClosure(false)
        } catch {
            return close()
        }
        phase = .idle
        idleTurn += 1
        let turn = idleTurn
        let keepAlive = core.limits.keepAliveTimeout.timeAmount
        guard let lastWritten else { return deadline = loop.turn.now + keepAlive }
        // The time for the next request begins when the client has this answer.
        deadline = loop.turn.now + core.limits.wholeTimeout.timeAmount
        lastWritten.assumeIsolated().whenComplete { _ in
            // Until then it holds for the answers that follow, too: they go out behind it.
            if self.lastWritten === lastWritten { self.lastWritten = nil }
            guard case .idle = self.phase, self.idleTurn == turn else { return }
            self.deadline = self.loop.turn.now + keepAlive
        }
    }

    func allowHalfClosure(_ isAllowed: Bool) throws {
        guard allowsHalfClosure != isAllowed else { return }
        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: isAllowed)
        allowsHalfClosure = isAllowed
    }

    /// For the end of an answer that is about to be written, and may take a while to reach the client. What is short
    /// goes into the socket's own memory as a rule, and a promise costs as much as its write.
    func promiseOfEnd() -> EventLoopPromise<Void> {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        lastWritten = promise.futureResult
        return promise
    }

    /// Closes when the socket has taken what was written: a close at once would throw the rest of it away.
    func closeWhenWritten() {
        phase = .closing
        deadline = loop.turn.now + core.limits.idleTimeout.timeAmount
        let channel = channel
        encoder.whenWritten { channel.close(promise: nil) }
    }

    /// Ends the connection at once, with whatever was not written yet.
    func close() {
        let before = phase
        phase = .closing
        deadline = .distantFuture
        // A flush comes first, so that what was written still goes out.
        encoder.sendNow()
        channel.close(promise: nil)
        // Closed in the middle of an exchange, as after a client's reset: it must let go of its upstream.
        if case .hot(let exchange) = before { exchange.clientDidLeave() }
    }

    func endForShutdown() {
        switch phase {
        case .hot(let exchange):
            exchange.end(for: Problem(.shuttingDown, retryAfter: 1))
            // A request that was half sent: its rest is not waited for.
            if case .discarding = phase { closeWhenWritten() }
        case .idle, .discarding: closeWhenWritten()
        // Hummingbird's tasks are cancelled by its own service.
        case .cold, .closing: break
        }
    }

    /// Nil when the connection is gone.
    var writer: ResponseEncoder? { context == nil ? nil : encoder }

    /// The request of the hot path that runs on this connection.
    var exchange: Exchange? { if case .hot(let exchange) = phase { exchange } else { nil } }

    /// Answers what never became a request, and ends the connection.
    private func refuse(_ problem: Problem) {
        var answer = Answer.problem(problem, request: core.flow.ids.next())
        core.headers.add(to: &answer.extra, for: HTTPHeaders())
        answer.write(to: encoder)
        closeWhenWritten()
    }
}

extension EdgeHandler: Deadlined {
    func deadlineReached(now: NIODeadline) {
        switch phase {
        // There may be no handshake yet that an answer could follow.
        case .idle where isTLS: close()
        case .idle where isFirst:
            if context == nil { closeWhenWritten() } else { refuse(Problem(.requestTimeout)) }
        case .hot(let exchange): exchange.deadlineReached(now: now)
        case .idle, .cold, .discarding: close()
        case .closing: channel.close(promise: nil)
        }
    }

    /// The exchange's limits stand in for the connection's while it runs.
    func setDeadline(_ deadline: NIODeadline) { self.deadline = deadline }
}
