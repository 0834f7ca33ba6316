import Gateway
import HummingbirdCore
import Inference
import Logging
import NIOCore
import Synchronization

/// The order of what one event loop did: records handed to the journal, bytes handed to sockets. Entries are made in
/// the very calls, so that an order that is wrong is always seen, and not only when a thread is slow.
final class Tape: Sendable {
    enum Entry: Sendable, Equatable {
        /// Handed over by `commit`, as the next two.
        case open(attempt: Int)
        case progress, close
        case endNoted
        case ticketEnd(hasRecord: Bool)
        case ticketClose
        case toClient(String)
        case toUpstream(String)
    }

    private let entries = Mutex<[Entry]>([])

    var all: [Entry] { entries.withLock { $0 } }

    func add(_ entry: Entry) { entries.withLock { $0.append(entry) } }

    func index(where matches: (Entry) -> Bool) -> Int? { all.firstIndex(where: matches) }

    /// Where bytes with this text were first written to the client.
    func index(toClient text: String) -> Int? {
        index {
            if case .toClient(let bytes) = $0 { bytes.contains(text) } else { false }
        }
    }

    /// How often each attempt was opened, in order.
    var attempts: [Int] {
        all.compactMap { if case .open(let attempt) = $0 { attempt } else { nil } }
    }

    var toClient: String {
        all.map { if case .toClient(let bytes) = $0 { bytes } else { "" } }.joined()
    }

    var wroteUpstream: Bool {
        all.contains { if case .toUpstream = $0 { true } else { false } }
    }
}

/// The edge with a tap at the socket's side of its connections.
struct TappedEdge: ServerChildChannel {
    let edge: EdgeChannel
    let tape: Tape

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<EdgeChannel.Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(Tap(tape) { .toClient($0) })
        }
        .flatMap { edge.setup(channel: channel, logger: logger) }
    }

    func handle(value: EdgeChannel.Value, logger: Logger) async { await edge.handle(value: value, logger: logger) }
}

/// Sockets with a tap.
struct TappedConnector: UpstreamConnector {
    let tape: Tape

    func connect(
        to endpoint: Endpoint, on eventLoop: any EventLoop, timeout: TimeAmount,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        SocketConnector().connect(to: endpoint, on: eventLoop, timeout: timeout) { [tape] channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(Tap(tape) { .toUpstream($0) })
            }
            .flatMap { initializer(channel) }
        }
    }
}

/// Bytes are on the tape when they are flushed: until then the socket does not get them.
private final class Tap: ChannelOutboundHandler {
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private let tape: Tape
    private let entry: @Sendable (String) -> Tape.Entry
    private var written = ""

    init(_ tape: Tape, entry: @escaping @Sendable (String) -> Tape.Entry) {
        self.tape = tape
        self.entry = entry
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .byteBuffer(let bytes) = unwrapOutboundIn(data) { written += String(buffer: bytes) }
        context.write(data, promise: promise)
    }

    func flush(context: ChannelHandlerContext) {
        if !written.isEmpty { tape.add(entry(written)) }
        written = ""
        context.flush()
    }
}
