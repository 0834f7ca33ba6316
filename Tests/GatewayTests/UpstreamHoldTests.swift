import Inference
import Kernel
import NIOCore
import NIOEmbedded
import Testing

@testable import Gateway

/// A call that waits for the journal, on a connection that something else happens to.
@Suite("A call that is held back")
struct UpstreamHoldTests {
    private let loop = EmbeddedEventLoop()
    private let journal = MemoryJournal()
    private let turn: LoopTurn
    private let channel: EmbeddedChannel
    private let pool: UpstreamPool
    private let connection: UpstreamConnection
    private let heard = Heard()

    private final class Heard: UpstreamReceiver {
        var failures: [UpstreamFailure] = []
        var statuses: [Int] = []
        /// Whether nothing had been sent when it failed: then nobody is charged.
        var wereUnsent: [Bool] = []
        weak var call: UpstreamConnection?

        func upstreamDidReceive(status: Int, headers: HeaderFields) { statuses.append(status) }
        func upstreamDidReceive(_ bytes: ByteBuffer) {}
        func upstreamDidFinishReading() {}
        func upstreamDidEnd() {}
        func upstreamDidFail(_ failure: UpstreamFailure) {
            failures.append(failure)
            wereUnsent.append(call?.isHeldBack ?? false)
        }
    }

    private struct StoppedClock: Clock {
        var now: Instant { Instant(microseconds: 0) }
        var uptime: Duration { .zero }
        func sleep(for duration: Duration) async throws {}
    }

    init() throws {
        let turn = LoopTurn(eventLoop: loop, journal: journal, clock: StoppedClock())
        let channel = EmbeddedChannel(loop: loop)
        let pool = UpstreamPool(
            eventLoop: loop, turn: turn, limits: GatewayLimits(), tls: try UpstreamTLS(certificates: nil),
            connector: SocketConnector())
        let connection = UpstreamConnection(
            channel: channel, serial: 1, endpoint: Endpoint(scheme: .http, host: "upstream", port: 80),
            pool: pool, shelf: UpstreamPool.Shelf(), memory: OutgoingMemory(), turn: turn)
        try channel.pipeline.syncOperations.addHandler(connection)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 80)).wait()
        (self.turn, self.channel, self.pool, self.connection) = (turn, channel, pool, connection)
        heard.call = connection
        // A record that no bytes may come before.
        turn.didNote()
    }

    private func send() {
        connection.send(
            UpstreamRequest(
                shape: .init(path: "/v1/chat/completions", accept: "application/json"), requestID: "req_1",
                credential: nil),
            body: ByteBuffer(string: "{}"), to: heard)
    }

    private func sent() throws -> String? {
        try channel.readOutbound(as: ByteBuffer.self).map { String(buffer: $0) }
    }

    @Test("it goes out at the end of the turn, once")
    func goesOut() throws {
        send()
        #expect(try sent() == nil)
        #expect(connection.isHeldBack)
        loop.run()
        #expect(!connection.isHeldBack)
        #expect(try sent()?.hasSuffix("{}") == true)
        turn.didNote()
        loop.run()
        #expect(try sent() == nil)
        try channel.writeInbound(ByteBuffer(string: "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        #expect(heard.statuses == [200] && heard.failures.isEmpty)
    }

    @Test("once it is cancelled nothing of it goes out")
    func cancelled() throws {
        send()
        connection.cancel()
        loop.run()
        #expect(try sent() == nil)
    }

    @Test("a server that speaks first has not answered it: nothing goes out, and another connection may be tried")
    func spokenTo() throws {
        send()
        try channel.writeInbound(ByteBuffer(string: "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"))
        #expect(heard.failures == [.closedBeforeHead] && heard.statuses.isEmpty)
        #expect(heard.wereUnsent == [true] && !connection.isHeldBack)
        loop.run()
        #expect(try sent() == nil)
        #expect(!channel.isActive)
    }

    @Test("a connection that closes before has not been asked")
    func closed() throws {
        send()
        channel.pipeline.fireChannelInactive()
        #expect(heard.failures == [.closedBeforeHead] && heard.wereUnsent == [true])
        loop.run()
        #expect(try sent() == nil)
    }
}
