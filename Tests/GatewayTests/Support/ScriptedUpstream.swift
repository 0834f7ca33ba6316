import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// A TCP server that does what a script says once a whole HTTP request has come: the faults that no real runtime
/// produces on demand. It speaks bytes, so that it can also speak wrong.
final class ScriptedUpstream: Sendable {
    enum Step: Sendable {
        case send(String)
        /// This many bytes of `x`, in pieces.
        case flood(Int)
        case wait(TimeAmount)
        /// Until the test opens it.
        case hold(Hold)
        case close
        /// An end only when this connection has answered before.
        case closeIfReused
        /// A reset instead of an orderly end.
        case reset
        /// Nothing more, with the connection open.
        case silence
    }

    /// Where scripts stop until a test lets them go on.
    final class Hold: Sendable {
        private let state = Mutex((isOpen: false, waiting: [@Sendable () -> Void]()))

        var waiting: Int { state.withLock { $0.waiting.count } }

        func open() {
            let waiting = state.withLock { state in
                state.isOpen = true
                defer { state.waiting = [] }
                return state.waiting
            }
            for body in waiting { body() }
        }

        fileprivate func whenOpen(_ body: @escaping @Sendable () -> Void) {
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(body) }
                return state.isOpen
            }
            if isOpen { body() }
        }
    }

    struct Log: Sendable {
        var requests: [String] = []
        var connections = 0
        var closed: [NIODeadline] = []
        var bytesWritten = 0
    }

    private let channel: any Channel
    private let log: LogBox

    final class LogBox: Sendable {
        let state = Mutex(Log())
    }

    var port: Int { channel.localAddress?.port ?? 0 }
    var seen: Log { log.state.withLock { $0 } }

    private init(channel: any Channel, log: LogBox) {
        self.channel = channel
        self.log = log
    }

    static func start(_ script: [Step]) async throws -> ScriptedUpstream {
        let log = LogBox()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Connection(script: script, log: log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ScriptedUpstream(channel: channel, log: log)
    }

    func stop() async throws { try await channel.close() }

    /// A JSON answer with the right length.
    static func json(_ body: String, status: String = "200 OK", headers: String = "") -> Step {
        .send(
            "HTTP/1.1 \(status)\r\ncontent-type: application/json\r\n"
                + "\(headers)content-length: \(body.utf8.count)\r\n\r\n\(body)"
        )
    }

    static let streamHead = Step.send(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    static func chunk(_ text: String) -> Step {
        .send(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n")
    }

    static let lastChunk = Step.send("0\r\n\r\n")
}

private final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let script: [ScriptedUpstream.Step]
    private let log: ScriptedUpstream.LogBox
    private var received = ByteBuffer()
    private var requests = 0

    init(script: [ScriptedUpstream.Step], log: ScriptedUpstream.LogBox) {
        self.script = script
        self.log = log
    }

    func channelActive(context: ChannelHandlerContext) { log.state.withLock { $0.connections += 1 } }

    func channelInactive(context: ChannelHandlerContext) { log.state.withLock { $0.closed.append(.now()) } }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        let text = String(buffer: received)
        guard let end = text.firstRange(of: "\r\n\r\n") else { return }
        let length = text[..<end.lowerBound].split(separator: "\r\n")
            .first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.split(separator: ":")[1].trimmingPrefix(" ")) }
        guard text[end.upperBound...].utf8.count >= length ?? 0 else { return }
        received.clear()
        log.state.withLock { $0.requests.append(text) }
        requests += 1
        run(script[...], context)
    }

    private func run(_ steps: ArraySlice<ScriptedUpstream.Step>, _ context: ChannelHandlerContext) {
        guard let step = steps.first, context.channel.isActive else { return }
        let rest = steps.dropFirst()
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        switch step {
        case .send(let text): put(ByteBuffer(string: text), context, then: rest)
        case .flood(let count):
            let piece = min(count, 16 << 10)
            let next = count > piece ? [.flood(count - piece)] + rest : rest
            put(ByteBuffer(repeating: UInt8(ascii: "x"), count: piece), context, then: next)
        case .wait(let time):
            context.eventLoop.scheduleTask(in: time) { bound.value.0.run(rest, bound.value.1) }
        case .hold(let hold):
            let eventLoop = context.eventLoop
            hold.whenOpen { eventLoop.execute { bound.value.0.run(rest, bound.value.1) } }
        case .close: context.close(promise: nil)
        case .closeIfReused:
            if requests > 1 { context.close(promise: nil) } else { run(rest, context) }
        case .reset:
            (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                .whenComplete { _ in bound.value.1.close(promise: nil) }
        case .silence: break
        }
    }

    private func put(
        _ bytes: ByteBuffer, _ context: ChannelHandlerContext, then rest: ArraySlice<ScriptedUpstream.Step>
    ) {
        let count = bytes.readableBytes
        let log = self.log
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(bytes)).whenComplete { result in
            if case .success = result { log.state.withLock { $0.bytesWritten += count } }
            // In a turn of its own: a long script whose writes complete at once would else go ever deeper.
            bound.eventLoop.execute { bound.value.0.run(rest, bound.value.1) }
        }
    }
}
