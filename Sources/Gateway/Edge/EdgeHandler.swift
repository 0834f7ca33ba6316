import Flows
import Kernel
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// The last handler of the gateway's own pipeline, and the only one that knows both planes.
///
/// One request at a time: NIO's pipelining handler before it holds the next one back until this answer has ended.
final class EdgeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
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
    let cold: EventLoopPromise<EdgeChannel.ColdChannel?>
    private var phase = Phase.idle
    private var isWoken = false
    private var isFirst = true
    private(set) var deadline: NIODeadline
    private var context: ChannelHandlerContext?
    /// Completed when the socket has taken the end of the last answer.
    private var lastWritten: EventLoopFuture<Void>?
    private var isReadPending = false
    private let isTLS: Bool
    /// The address at the other end. Known once the connection is.
    private(set) lazy var peer = ClientAddress.peer(of: channel)
    /// What the answer of the control plane that runs says about origins.
    private var coldOrigin: [(String, String)] = []
    /// Tells one idle time from the next.
    private var idleTurn: UInt64 = 0

    init(core: GatewayCore, loop: LoopContext, channel: any Channel, isTLS: Bool) {
        self.isTLS = isTLS
        self.core = core
        self.loop = loop
        self.channel = channel
        cold = channel.eventLoop.makePromise()
        deadline = loop.eventLoop.now + TimeAmount(core.limits.headTimeout)
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
        switch (phase, unwrapInboundIn(data)) {
        case (.idle, .head(let head)): begin(head, context: context)
        case (.idle, _), (.closing, _): break
        case (.hot(let exchange), .body(let bytes)): exchange.receive(bytes)
        case (.hot(let exchange), .end): exchange.receiveEnd()
        case (.cold(_, let isAnswered), let part):
            if case .end = part {
                phase = .cold(isReceived: true, isAnswered: isAnswered)
                deadline = loop.eventLoop.now + TimeAmount(core.limits.wholeTimeout)
            }
            context.fireChannelRead(data)
            if case .cold(true, true) = phase { becomeIdle() }
        case (.discarding(let left), .body(let bytes)):
            guard bytes.readableBytes < left else { return close() }
            phase = .discarding(left: left - bytes.readableBytes)
        case (.discarding, .end): closeWhenWritten()
        case (.discarding, .head), (.hot, .head): close()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Hummingbird's channel hands over what was read only now.
        if isWoken { context.fireChannelReadComplete() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let parserError = error as? HTTPParserError else { return close() }
        let problem =
            parserError == .headerOverflow
            ? Problem(.headersTooLarge)
            : Problem(
                .validationError, "The request is not valid HTTP/1.1.", hint: "Check the request line and headers.")
        switch phase {
        case .idle:
            refuse(problem, on: context)
        case .hot(let exchange): exchange.requestIsBroken(problem)
        // Not forwarded: Hummingbird would answer a second time.
        case .cold, .discarding, .closing: close()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .hot(let exchange) = phase { exchange.clientWritabilityDidChange(to: context.channel.isWritable) }
        if isReadPending, context.channel.isWritable {
            isReadPending = false
            context.read()
        }
        context.fireChannelWritabilityChanged()
    }

    /// A client that does not take its answers gives no further requests: they would pile up answers in memory. That it
    /// leaves is still seen.
    func read(context: ChannelHandlerContext) {
        if case .cold = phase { return context.read() }
        if context.channel.isWritable { context.read() } else { isReadPending = true }
    }

    private func begin(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        isFirst = false
        deadline = loop.eventLoop.now + TimeAmount(core.limits.bodyTimeout)
        let codings = head.headers["transfer-encoding"]
        // Where such a body ends nobody can tell, nor where the next request begins.
        guard codings.isEmpty || codings.count == 1 && codings[0].lowercased() == "chunked" else {
            return refuse(
                Problem(
                    .validationError, "The transfer coding is not one that this server knows.",
                    parameter: "transfer-encoding", hint: "Send `chunked`, or `content-length`."),
                on: context)
        }
        let route = core.headers.origins.isPreflight(head) ? .preflight : EdgeRoute.of(head)
        if head.headers.first(name: "expect")?.lowercased() == "100-continue" { sendContinue(head, context: context) }
        guard route == .cold else {
            deadline = .distantFuture
            let exchange = Exchange(edge: self, head: head, route: route)
            phase = .hot(exchange)
            return exchange.begin()
        }
        phase = .cold(isReceived: false, isAnswered: false)
        do {
            try wake(context: context)
            coldOrigin = core.headers.origins.fields(for: head.headers)
            var head = head
            let client = core.options.addresses.client(peer: peer, headers: head.headers)
            core.options.addresses.note(client, in: &head.headers)
            context.fireChannelRead(wrapInboundOut(.head(head)))
        } catch {
            core.logger.error("the control plane's handlers could not be added", metadata: ["error": "\(error)"])
            close()
        }
    }

    private func sendContinue(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        guard !head.version.isBeforeOneOne else { return }
        let part = HTTPServerResponsePart.head(HTTPResponseHead(version: head.version, status: .continue))
        context.writeAndFlush(wrapOutboundOut(part), promise: nil)
    }

    private func wake(context: ChannelHandlerContext) throws {
        try context.channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
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

    // MARK: Writing

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // Hummingbird's answers pass through here.
        switch (unwrapOutboundIn(data), phase) {
        case (.head(var head), .cold):
            core.headers.add(to: &head.headers, cross: coldOrigin)
            return context.write(wrapOutboundOut(.head(head)), promise: promise)
        case (.end, .cold(let isReceived, _)):
            // Writing the end may bring the next request at once: the phase is right before it.
            phase = .cold(isReceived: isReceived, isAnswered: true)
            if isReceived { becomeIdle() }
        default: break
        }
        context.write(data, promise: promise)
    }

    /// Called by the exchange just before it writes the end of its answer: that write may bring the next request.
    /// - Parameters:
    ///   - isReceived: whether the whole request was read.
    ///   - closes: whether the connection cannot serve another request; `close()` comes after the write then.
    func exchangeWillEnd(isReceived: Bool, closes: Bool) {
        guard case .hot = phase else { return }
        if !isReceived {
            phase = .discarding(left: Self.discardLimit)
            deadline = loop.eventLoop.now + Self.discardTimeout
        } else if closes {
            phase = .closing
            deadline = .distantFuture
        } else {
            becomeIdle()
        }
    }

    private func becomeIdle() {
        do {
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: false)
        } catch {
            return close()
        }
        phase = .idle
        idleTurn += 1
        let turn = idleTurn
        // The time for the next request begins when the client has this answer.
        deadline = loop.eventLoop.now + TimeAmount(core.limits.wholeTimeout)
        let keepAlive = TimeAmount(core.limits.keepAliveTimeout)
        guard let lastWritten else { return deadline = loop.eventLoop.now + keepAlive }
        lastWritten.assumeIsolated().whenComplete { _ in
            guard case .idle = self.phase, self.idleTurn == turn else { return }
            self.deadline = self.loop.eventLoop.now + keepAlive
        }
    }

    /// For the end of an answer that is about to be written.
    func promiseOfEnd() -> EventLoopPromise<Void> {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        lastWritten = promise.futureResult
        return promise
    }

    /// Closes when the socket has taken what was written: a close at once would throw the rest of it away.
    func closeWhenWritten() {
        phase = .closing
        deadline = loop.eventLoop.now + TimeAmount(core.limits.idleTimeout)
        let channel = channel
        guard let lastWritten else { return channel.close(promise: nil) }
        lastWritten.whenComplete { _ in channel.close(promise: nil) }
    }

    /// Ends the connection at once, with whatever was not written yet.
    func close() {
        let before = phase
        phase = .closing
        deadline = .distantFuture
        // A flush comes first, so that what was written still goes out.
        context?.flush()
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

    var writer: ChannelHandlerContext? { context }

    /// The request of the hot path that runs on this connection.
    var exchange: Exchange? { if case .hot(let exchange) = phase { exchange } else { nil } }

    /// Answers what never became a request, and ends the connection.
    private func refuse(_ problem: Problem, on context: ChannelHandlerContext) {
        var answer = Answer.problem(problem, request: core.flow.ids.next())
        answer.extra += core.headers.fields(for: HTTPHeaders())
        answer.write(to: context, end: promiseOfEnd())
        closeWhenWritten()
    }
}

extension EdgeHandler: Deadlined {
    func deadlineReached(now: NIODeadline) {
        switch phase {
        // There may be no handshake yet that an answer could follow.
        case .idle where isTLS: close()
        case .idle where isFirst:
            // Written past the pipelining handler: for it there is no request yet that could be answered.
            let writer = try? channel.pipeline.syncOperations.context(handlerType: HTTPServerPipelineHandler.self)
            if let writer { refuse(Problem(.requestTimeout), on: writer) } else { closeWhenWritten() }
        case .hot(let exchange): exchange.deadlineReached(now: now)
        case .idle, .cold, .discarding: close()
        case .closing: channel.close(promise: nil)
        }
    }

    /// The exchange's limits stand in for the connection's while it runs.
    func setDeadline(_ deadline: NIODeadline) { self.deadline = deadline }
}
