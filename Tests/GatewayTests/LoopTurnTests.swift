import Inference
import Kernel
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Synchronization
import Testing

@testable import Gateway

@Suite("A turn of the event loop")
struct LoopTurnTests {
    private let loop = EmbeddedEventLoop()
    private let journal = MemoryJournal()
    private let turn: LoopTurn

    private let clock = Ticking()

    init() { turn = LoopTurn(eventLoop: loop, journal: journal, clock: clock) }

    /// A clock that goes on whenever somebody looks.
    private final class Ticking: Clock {
        private let looks = Atomic<Int64>(0)

        var now: Instant { Instant(microseconds: looks.wrappingAdd(1, ordering: .relaxed).newValue) }
        var uptime: Duration { .microseconds(looks.wrappingAdd(1, ordering: .relaxed).newValue) }
        func sleep(for duration: Duration) async throws {}
    }

    /// What was sent, and how many records had been handed over by then.
    private final class Log {
        var sent: [(name: Int, records: Int)] = []
    }

    private final class Connection: HeldBack {
        let name: Int
        private let log: Log
        private let journal: MemoryJournal
        var onSend: () -> Void = {}

        init(_ name: Int, _ log: Log, _ journal: MemoryJournal) {
            self.name = name
            self.log = log
            self.journal = journal
        }

        func send(in turn: LoopTurn) { if turn.maySend(self) { sendHeldBack() } }

        func sendHeldBack() {
            log.sent.append((name, journal.progress.count))
            onSend()
        }
    }

    private func note() {
        journal.note(
            RequestProgress(
                request: RequestID(ULID(high: 1, low: 2)),
                usage: Usage(inputTokens: 1, outputTokens: 1, source: .counted), elapsed: .zero, firstToken: nil))
        turn.didNote()
    }

    @Test("with nothing noted, bytes go out at once")
    func nothingNoted() {
        let log = Log()
        Connection(1, log, journal).send(in: turn)
        #expect(log.sent.map(\.name) == [1])
        #expect(journal.commits == 0)
    }

    @Test("what a turn noted is handed over once, and then the connections send in their order")
    func once() {
        let log = Log()
        for name in 0..<5 {
            note()
            Connection(name, log, journal).send(in: turn)
        }
        #expect(log.sent.isEmpty && journal.progress.isEmpty)
        loop.run()
        #expect(log.sent.map(\.name) == [0, 1, 2, 3, 4])
        #expect(log.sent.allSatisfy { $0.records == 5 })
        #expect(journal.commits == 1)
        Connection(5, log, journal).send(in: turn)
        #expect(log.sent.map(\.name).last == 5)
    }

    @Test("no more than a few connections wait, while the loop has more to do")
    func full() {
        let log = Log()
        for name in 0..<40 {
            turn.beginRead()
            turn.endRead()
            note()
            Connection(name, log, journal).send(in: turn)
        }
        #expect(log.sent.count == 2 * LoopTurn.mostHeldBack)
        #expect(journal.commits == 2)
        loop.run()
        #expect(log.sent.map(\.name) == Array(0..<40))
        #expect(journal.commits == 3 && journal.progress.count == 40)
    }

    @Test("what is noted while connections send waits for the next time, with its bytes")
    func nested() {
        let log = Log()
        let second = Connection(2, log, journal)
        let first = Connection(1, log, journal)
        first.onSend = { [self] in
            note()
            second.send(in: turn)
        }
        note()
        first.send(in: turn)
        loop.run()
        #expect(log.sent.map(\.name) == [1, 2])
        #expect(log.sent.map(\.records) == [1, 2])
    }

    @Test("who cannot wait has the records handed over at once, and the others send as before")
    func atOnce() {
        let log = Log()
        note()
        Connection(1, log, journal).send(in: turn)
        turn.commit()
        #expect(journal.progress.count == 1)
        Connection(2, log, journal).send(in: turn)
        #expect(log.sent.map(\.name) == [2])
        loop.run()
        #expect(log.sent.map(\.name) == [2, 1])
        #expect(journal.commits == 1)
    }

    @Test("an answer of NIO's parts goes out before its connection is closed", arguments: [CloseMode.all, .output])
    func closed(mode: CloseMode) throws {
        let channel = EmbeddedChannel(handler: ResponseEncoder(turn: turn), loop: loop)
        note()
        channel.write(HTTPServerResponsePart.head(.init(version: .http1_1, status: .noContent)), promise: nil)
        channel.write(HTTPServerResponsePart.end(nil), promise: nil)
        channel.flush()
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        channel.close(mode: mode, promise: nil)
        #expect(journal.progress.count == 1)
        let sent = try channel.readOutbound(as: ByteBuffer.self).map { String(buffer: $0) }
        #expect(sent?.hasPrefix("HTTP/1.1 204") == true)
        loop.run()
    }

    @Test("within one read time stands still, and beyond it it does not")
    func time() {
        let first = turn.uptime
        #expect(turn.uptime > first)
        turn.beginRead()
        let (read, deadline) = (turn.uptime, turn.now)
        loop.advanceTime(by: .seconds(1))
        #expect(turn.uptime == read && turn.now == deadline)
        turn.endRead()
        #expect(turn.uptime > read && turn.now == deadline + .seconds(1))
        turn.beginRead()
        #expect(turn.uptime > read && turn.now == deadline + .seconds(1))
        turn.endRead()
    }

    @Test("an answer is held back whole, and a close in the same turn lets it out behind its record")
    func encoder() throws {
        let encoder = ResponseEncoder(turn: turn)
        let channel = EmbeddedChannel(handler: encoder, loop: loop)
        func answer() {
            encoder.begin(.ok, .http1_1, length: 2) { _ in }
            encoder.add(ByteBuffer(string: "ok"))
            encoder.end()
            encoder.flush()
        }
        note()
        answer()
        encoder.flush()
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        loop.run()
        #expect(try channel.readOutbound(as: ByteBuffer.self).map { String(buffer: $0) }?.hasSuffix("ok") == true)
        note()
        answer()
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        encoder.sendNow()
        #expect(journal.progress.count == 2)
        #expect(try channel.readOutbound(as: ByteBuffer.self).map { String(buffer: $0) }?.hasSuffix("ok") == true)
        loop.run()
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
    }
}
