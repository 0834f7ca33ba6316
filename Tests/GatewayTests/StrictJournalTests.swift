import Gateway
import Inference
import Kernel
import NIOCore
import Synchronization
import Testing

/// With a strict journal the upstream and the client wait for the disk, and whatever else happens meanwhile still ends
/// the request exactly once.
@Suite struct StrictJournalTests {
    /// Content and end in one read: the content must not wait with the end.
    static let stream = [
        ScriptedUpstream.streamHead,
        ScriptedUpstream.chunk(JournalOrderTests.content("early") + JournalOrderTests.done),
        ScriptedUpstream.lastChunk,
    ]
    static let streamed = #","stream":true"#

    /// What a client has read so far.
    private final class Seen: Sendable {
        private let text = Mutex("")
        var all: String { text.withLock { $0 } }
        func set(_ new: String) { text.withLock { $0 = new } }
    }

    /// A gateway whose upstream answers, with a disk that is held back.
    private func run(
        _ script: [ScriptedUpstream.Step] = [JournalOrderTests.whole], limits: GatewayLimits = GatewayLimits(),
        mode: MemoryJournal.Mode = .held, _ body: (GatewayFixture, ScriptedUpstream) async throws -> Void
    ) async throws {
        let upstream = try await ScriptedUpstream.start(script)
        try await GatewayFixture.run(upstream: upstream.port, limits: limits, journal: mode) { gateway in
            try await body(gateway, upstream)
            // Every loop had a turn after the last callback: a second end would be seen.
            await gateway.core.endAll()
            #expect(gateway.journal.records.count == Set(gateway.journal.opens.map(\.request)).count)
            #expect(gateway.core.requestsInFlight == 0)
            #expect(gateway.core.bodyBytesHeld == 0)
        }
        try await upstream.stop()
    }

    private func disk(of gateway: GatewayFixture, isWaitedFor count: Int = 1) async throws {
        try await eventually { gateway.journal.waiting == count }
        try #require(gateway.journal.waiting == count)
    }

    @Test("the upstream hears nothing until the disk has the open, and the client nothing until it has the close")
    func wholeAnswer() async throws {
        try await run { gateway, upstream in
            async let answer = gateway.chat()
            try await disk(of: gateway)
            #expect(gateway.journal.tape.all == [.open(attempt: 1)])
            #expect(upstream.seen.connections == 0)
            gateway.journal.sync()
            try await eventually { gateway.journal.records.count == 1 && gateway.journal.waiting == 1 }
            try #require(gateway.journal.waiting == 1)
            #expect(gateway.journal.tape.toClient.isEmpty)
            // The answer is held here, so it counts as a request in work.
            #expect(gateway.core.requestsInFlight == 1)
            gateway.journal.sync()
            #expect(try await answer.status == 200)
            #expect(gateway.journal.records.first?.status == .succeeded)
        }
    }

    @Test("a stream's content goes out at once, and only its end waits for the disk")
    func streamEnd() async throws {
        try await run(Self.stream) { gateway, _ in
            let client = try await RawClient.connect(to: gateway.port)
            let request = GatewayFixture.request(body: GatewayFixture.chat(Self.streamed))
            let seen = Seen()
            async let text = client.send(request) { text in
                seen.set(text)
                return false
            }
            try await disk(of: gateway)
            gateway.journal.sync()
            // Only the far side of the socket tells that it was flushed.
            try await eventually { seen.all.contains("early") && gateway.journal.waiting == 1 }
            let early = seen.all
            #expect(early.contains("early"))
            #expect(!early.contains("[DONE]"))
            gateway.journal.sync()
            #expect(RawAnswer(try await text).events.last == "[DONE]")
            let closed = try #require(gateway.journal.tape.index { $0 == .close })
            let end = try #require(gateway.journal.tape.index(toClient: "[DONE]"))
            #expect(closed < end)
        }
    }

    @Test("a disk that is there at once, on the loop itself, delays nothing", arguments: ["", streamed])
    func immediate(more: String) async throws {
        try await run(more.isEmpty ? [JournalOrderTests.whole] : Self.stream, mode: .immediate) { gateway, _ in
            let answer = try await gateway.chat(more)
            #expect(answer.status == 200)
            #expect(gateway.journal.asked == 2)
        }
    }

    @Test("a pipelined request waits behind the held answer")
    func pipelined() async throws {
        try await run { gateway, _ in
            let first = GatewayFixture.request(body: GatewayFixture.chat(), closes: false)
            let second = GatewayFixture.request(body: GatewayFixture.chat())
            async let text = RawClient.connect(to: gateway.port).send(first + second)
            try await disk(of: gateway)
            gateway.journal.sync()
            try await eventually { gateway.journal.records.count == 1 && gateway.journal.waiting == 1 }
            #expect(gateway.journal.opens.count == 1)
            for _ in 0..<3 {
                try await disk(of: gateway)
                gateway.journal.sync()
            }
            #expect(try await text.ranges(of: "HTTP/1.1 200").count == 2)
            #expect(gateway.journal.records.count == 2)
        }
    }

    @Test("the second attempt after an idle close waits for its own record")
    func retry() async throws {
        try await run([.closeIfReused, JournalOrderTests.whole], limits: JournalOrderTests.patient) {
            gateway, upstream in
            let first = GatewayFixture.request(body: GatewayFixture.chat(), closes: false)
            let second = GatewayFixture.request(body: GatewayFixture.chat())
            async let text = RawClient.connect(to: gateway.port).send(first + second)
            for _ in 0..<3 {
                try await disk(of: gateway)
                gateway.journal.sync()
            }
            try await eventually { gateway.journal.opens.count == 3 && gateway.journal.waiting == 1 }
            try #require(gateway.journal.waiting == 1)
            #expect(upstream.seen.connections == 1)
            for _ in 0..<2 {
                try await disk(of: gateway)
                gateway.journal.sync()
            }
            #expect(try await text.ranges(of: "HTTP/1.1 200").count == 2)
            #expect(gateway.journal.tape.attempts == [1, 1, 2])
        }
    }

    // MARK: What happens meanwhile

    /// Which of the two records the disk does not have when it happens.
    enum Held: String, Sendable, CaseIterable { case open, close, closeOfStream }

    /// Leads a request to where it waits for the disk.
    private func lead(_ gateway: GatewayFixture, to held: Held) async throws {
        try await disk(of: gateway)
        guard held != .open else { return }
        gateway.journal.sync()
        try await eventually { gateway.journal.records.count == 1 && gateway.journal.waiting == 1 }
        try #require(gateway.journal.waiting == 1)
    }

    private func script(_ held: Held) -> [ScriptedUpstream.Step] {
        held == .closeOfStream ? Self.stream : [JournalOrderTests.whole]
    }

    private func more(_ held: Held) -> String { held == .closeOfStream ? Self.streamed : "" }

    @Test("a client may leave while the disk is waited for", arguments: Held.allCases)
    func clientLeaves(held: Held) async throws {
        try await run(script(held)) { gateway, upstream in
            let client = try await RawClient.connect(to: gateway.port)
            let request = GatewayFixture.request(body: GatewayFixture.chat(more(held)))
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { _ = try await client.send(request) }
                try await lead(gateway, to: held)
                tasks.cancelAll()
            }
            try await eventually { gateway.core.requestsInFlight == 0 }
            // It ended without the disk.
            #expect(gateway.core.requestsInFlight == 0)
            #expect(gateway.journal.waiting == 1)
            gateway.journal.sync()
            await gateway.core.endAll()
            #expect(gateway.journal.records.first?.status == (held == .open ? .clientClosed : .succeeded))
            #expect(upstream.seen.connections == (held == .open ? 0 : 1))
            #expect(!gateway.journal.tape.toClient.contains("[DONE]"))
            if held == .open { #expect(gateway.journal.records.first?.usage == Usage.none) }
        }
    }

    @Test("a disk that never confirms ends the request at its limit, with an error", arguments: Held.allCases)
    func deadline(held: Held) async throws {
        var limits = GatewayLimits()
        limits.wholeTimeout = .seconds(5)
        try await run(script(held), limits: limits) { gateway, upstream in
            async let pending = gateway.chat(more(held))
            try await lead(gateway, to: held)
            let answer = try await pending
            #expect(answer.body.contains("JOURNAL_UNAVAILABLE"))
            #expect(answer.status == (held == .closeOfStream ? 200 : 503))
            #expect(!answer.body.contains("[DONE]"))
            #expect(gateway.core.requestsInFlight == 0)
            let written = gateway.journal.tape.toClient
            gateway.journal.sync()
            await gateway.core.endAll()
            #expect(gateway.journal.tape.toClient == written)
            #expect(upstream.seen.connections == (held == .open ? 0 : 1))
        }
    }

    @Test("a shutdown ends a request that waits for the disk", arguments: Held.allCases)
    func shutdown(held: Held) async throws {
        try await run(script(held)) { gateway, _ in
            async let pending = gateway.chat(more(held))
            try await lead(gateway, to: held)
            gateway.core.beginDraining()
            await gateway.core.endAll()
            let answer = try await pending
            #expect(answer.body.contains("SHUTTING_DOWN"))
            #expect(!answer.body.contains("[DONE]"))
            gateway.journal.sync()
        }
    }

    @Test("an error waits for no disk: it promises nothing")
    func errors() async throws {
        try await run([.close]) { gateway, _ in
            async let answer = gateway.chat()
            // Each call waits for its own record.
            for _ in 0..<WorkspaceRouting.usual.mostAttempts {
                try await disk(of: gateway)
                gateway.journal.sync()
            }
            #expect(try await answer.status == 502)
            #expect(gateway.journal.waiting == 0)
        }
    }
}
