import Flows
import Gateway
import Inference
import Kernel
import NIOCore
import Synchronization
import Tenancy
import Testing

/// Keyed requests whose client leaves, whose store is away, or whose lease is lost.
@Suite struct IdempotencyFaultTests {
    private static let streamed = IdempotencyTests.streamed
    private let suite = IdempotencyTests()

    private final class Counts: Sendable {
        private let counts = Mutex<[Int]>([])
        var all: [Int] { counts.withLock { $0 } }
        func note(_ count: Int) { counts.withLock { $0.append(count) } }
    }

    // MARK: Clients that leave

    @Test(
        "a client that leaves before the answer gets it with its retry, and the upstream is asked once",
        arguments: ["", streamed])
    func leavesBeforeTheAnswer(more: String) async throws {
        let hold = ScriptedUpstream.Hold()
        let answer = more.isEmpty ? [JournalOrderTests.whole] : IdempotencyTests.stream()
        try await suite.run([.hold(hold)] + answer) { gateway, upstream, answers in
            try await leave(gateway, more) { hold.waiting == 1 }
            #expect(upstream.seen.closed.isEmpty)
            hold.open()
            try await eventually { answers.answers.count == 1 }
            let retry = try await gateway.send(IdempotencyTests.request(more))
            #expect(retry.status == 200)
            #expect(retry.body.contains(more.isEmpty ? "hi" : "[DONE]"))
            #expect(retry.headers["idempotent-replayed"] == "true")
            #expect(upstream.seen.requests.count == 1)
            #expect(gateway.journal.records.map(\.status) == [.succeeded])
            #expect(gateway.journal.records.first?.usage.outputTokens == 2)
        }
    }

    @Test("a client that leaves in the middle of a stream gets all of it with its retry")
    func leavesMidway() async throws {
        let hold = ScriptedUpstream.Hold()
        try await suite.run(IdempotencyTests.stream([.hold(hold)])) { gateway, upstream, answers in
            let client = try await RawClient.connect(to: gateway.port)
            try await client.hold(IdempotencyTests.request(Self.streamed), until: { $0.contains("one") }) {}
            try await eventually { gateway.core.openConnections == 0 }
            #expect(gateway.core.requestsInFlight == 1)
            hold.open()
            try await eventually { answers.answers.count == 1 }
            let retry = try await gateway.send(IdempotencyTests.request(Self.streamed))
            #expect(retry.events.count == 3)
            #expect(retry.events.first?.contains("one") == true)
            #expect(retry.events.last == "[DONE]")
            #expect(upstream.seen.requests.count == 1)
            #expect(gateway.journal.records.map(\.status) == [.succeeded])
        }
    }

    @Test("an upstream that waits for a slow client goes on when that client leaves")
    func leavesWhilePaused() async throws {
        let event = JournalOrderTests.content(String(repeating: "y", count: 16_000))
        let script =
            [ScriptedUpstream.streamHead] + Array(repeating: ScriptedUpstream.chunk(event), count: 900)
            + [ScriptedUpstream.chunk(JournalOrderTests.done), ScriptedUpstream.lastChunk]
        try await suite.run(script) { gateway, upstream, answers in
            let client = try await RawClient.connect(to: gateway.port)
            try await client.hold(IdempotencyTests.request(Self.streamed), until: { $0.contains("yyy") }) {
                var before = -1
                // Steady twice in a row: the sockets' buffers are full and nobody reads.
                try await eventually {
                    let now = upstream.seen.bytesWritten
                    defer { before = now }
                    return now == before
                }
                #expect(answers.answers.isEmpty)
            }
            try await eventually { answers.answers.count == 1 }
            let body = try #require(answers.answers.first).body
            #expect(body.count > 900 * 16_000)
            #expect(String(decoding: body.suffix(14), as: UTF8.self) == "data: [DONE]\n\n")
            #expect(gateway.journal.records.map(\.status) == [.succeeded])
        }
    }

    @Test("a client that leaves while it waits for its twin takes nothing with it")
    func leavesWhileWaiting() async throws {
        let hold = ScriptedUpstream.Hold()
        let answers = MemoryAnswers()
        let flow = IdempotencyTests.flow(answers)
        let upstream = try await ScriptedUpstream.start([.hold(hold), JournalOrderTests.whole])
        try await GatewayFixture.run(upstream: upstream.port, idempotency: flow) { gateway in
            async let first = gateway.send(IdempotencyTests.request())
            try await eventually { hold.waiting == 1 }
            try await leave(gateway, stays: 1) { flow.waiters == 1 }
            // Its place is free although the twin still runs.
            try await eventually { flow.waiters == 0 }
            #expect(flow.waiters == 0)
            hold.open()
            let other = try await first
            #expect(other.status == 200)
            #expect(gateway.journal.records.count == 1)
            #expect(upstream.seen.requests.count == 1)
        }
        try await upstream.stop()
    }

    @Test("the limit for the whole request ends one whose client has left, and its error is what the retry gets")
    func limitWithoutClient() async throws {
        var limits = GatewayLimits()
        limits.wholeTimeout = .seconds(5)
        try await suite.run([.silence], limits: limits) { gateway, upstream, answers in
            try await leave(gateway) { upstream.seen.requests.count == 1 }
            try await eventually { answers.answers.count == 1 }
            #expect(answers.answers.first?.status == 504)
            let retry = try await gateway.send(IdempotencyTests.request())
            #expect(retry.status == 504)
            #expect(upstream.seen.requests.count == 1)
            #expect(gateway.journal.records.map(\.status) == [.timedOut])
        }
    }

    @Test("a shutdown ends a request whose client has left, and leaves its key free for another node")
    func shutdown() async throws {
        try await suite.run([.silence]) { gateway, upstream, answers in
            try await leave(gateway) { upstream.seen.requests.count == 1 }
            gateway.core.beginDraining()
            await gateway.core.endAll()
            try await eventually { answers.held == 0 && !upstream.seen.closed.isEmpty }
            #expect(answers.held == 0)
            #expect(answers.answers.isEmpty)
            #expect(upstream.seen.closed.count == 1)
            #expect(gateway.core.requestsInFlight == 0)
        }
    }

    /// Sends a keyed request, and leaves when `isTime`; so many others stay.
    private func leave(
        _ gateway: GatewayFixture, _ more: String = "", stays: Int = 0, when isTime: () -> Bool
    ) async throws {
        let client = try await RawClient.connect(to: gateway.port)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { _ = try await client.send(IdempotencyTests.request(more)) }
            try await eventually(isTime)
            try #require(isTime())
            tasks.cancelAll()
        }
        try await eventually { gateway.core.openConnections == stays }
        try #require(gateway.core.openConnections == stays)
    }

    // MARK: The store

    @Test("the client sees the end when the store has the answer, and not before", arguments: ["", streamed])
    func durableFirst(more: String) async throws {
        let hold = ScriptedUpstream.Hold()
        let script = more.isEmpty ? [.hold(hold), JournalOrderTests.whole] : IdempotencyTests.stream([.hold(hold)])
        try await suite.run(script) { gateway, _, answers in
            async let answer = gateway.send(IdempotencyTests.request(more))
            try await eventually { hold.waiting == 1 }
            answers.suffer(.silent)
            hold.open()
            try await eventually { answers.waiting == 1 }
            try #require(answers.waiting == 1)
            // What came before the end is there.
            if !more.isEmpty { try await eventually { gateway.journal.tape.toClient.contains("two") } }
            #expect(!gateway.journal.tape.toClient.contains(more.isEmpty ? "HTTP/1.1" : "[DONE]"))
            #expect(gateway.core.requestsInFlight == 1)
            answers.recover()
            let ended = try await answer
            #expect(ended.status == 200)
            #expect(answers.answers.count == 1)
        }
    }

    @Test("an error of the upstream waits for the store too")
    func durableError() async throws {
        let hold = ScriptedUpstream.Hold()
        try await suite.run([.hold(hold), ScriptedUpstream.json("{}", status: "500 Oops")]) { gateway, _, answers in
            async let answer = gateway.send(IdempotencyTests.request())
            try await eventually { hold.waiting == 1 }
            answers.suffer(.silent)
            hold.open()
            try await eventually { answers.waiting == 1 }
            #expect(gateway.journal.tape.toClient.isEmpty)
            answers.recover()
            let ended = try await answer
            #expect(ended.status == 502)
            #expect(answers.answers.map(\.status) == [502])
        }
    }

    @Test("the store gets no answer whose usage is not in the journal")
    func usageFirst() async throws {
        try await suite.run { gateway, _, answers in
            let closed = Counts()
            answers.atCompletion { [journal = gateway.journal] in closed.note(journal.records.count) }
            let answer = try await gateway.send(IdempotencyTests.request())
            #expect(answer.status == 200)
            #expect(closed.all == [1])
        }
    }

    @Test("a strict journal's disk and the store are both waited for", arguments: [true, false])
    func strict(diskFirst: Bool) async throws {
        let hold = ScriptedUpstream.Hold()
        try await suite.run([.hold(hold), JournalOrderTests.whole], journal: .held) { gateway, _, answers in
            async let answer = gateway.send(IdempotencyTests.request())
            try await eventually { gateway.journal.waiting == 1 }
            gateway.journal.sync()
            try await eventually { hold.waiting == 1 }
            answers.suffer(.silent)
            hold.open()
            try await eventually { answers.waiting == 1 && gateway.journal.waiting == 1 }
            if diskFirst { gateway.journal.sync() } else { answers.recover() }
            if !diskFirst {
                try await eventually { gateway.core.keptBytesHeld == 0 }
                // The loop that heard of it has had a turn since.
                _ = await gateway.core.keys(touchedBy: [])
                #expect(answers.answers.count == 1)
            }
            #expect(gateway.journal.tape.toClient.isEmpty)
            if diskFirst { answers.recover() } else { gateway.journal.sync() }
            let ended = try await answer
            #expect(ended.status == 200)
        }
    }

    @Test("without the store a keyed request is refused before anything begins")
    func away() async throws {
        let answers = MemoryAnswers()
        answers.suffer(.away)
        try await suite.run(answers: answers) { gateway, upstream, _ in
            let answer = try await gateway.send(IdempotencyTests.request())
            #expect(answer.status == 503)
            #expect(answer.body.contains("STORAGE_UNAVAILABLE"))
            #expect(upstream.seen.connections == 0)
            answers.recover()
            let again = try await gateway.send(IdempotencyTests.request())
            #expect(again.status == 200)
        }
    }

    @Test("a store that is silent refuses a keyed request at its limit")
    func silent() async throws {
        let answers = MemoryAnswers()
        answers.suffer(.silent)
        var limits = GatewayLimits()
        limits.wholeTimeout = .seconds(2)
        try await suite.run(answers: answers, limits: limits) { gateway, upstream, _ in
            let answer = try await gateway.send(IdempotencyTests.request())
            #expect(answer.status == 503)
            #expect(answer.body.contains("STORAGE_UNAVAILABLE"))
            answers.recover()
            try await eventually { answers.held == 0 }
            #expect(upstream.seen.connections == 0)
        }
    }

    @Test("when the store goes away meanwhile, the answer goes out and says so", arguments: ["", streamed])
    func goesAway(more: String) async throws {
        let hold = ScriptedUpstream.Hold()
        let script = more.isEmpty ? [.hold(hold), JournalOrderTests.whole] : IdempotencyTests.stream([.hold(hold)])
        var patience = IdempotencyFlow.Limits()
        patience.keeping = .milliseconds(100)
        let answers = MemoryAnswers()
        let upstream = try await ScriptedUpstream.start(script)
        let flow = IdempotencyTests.flow(answers, limits: patience)
        try await GatewayFixture.run(upstream: upstream.port, idempotency: flow) { gateway in
            async let pending = gateway.send(IdempotencyTests.request(more))
            try await eventually { hold.waiting == 1 }
            answers.suffer(.away)
            hold.open()
            let answer = try await pending
            #expect(answer.status == 200)
            if more.isEmpty {
                #expect(answer.headers["idempotent-stored"] == "false")
            } else {
                #expect(answer.events.last == "[DONE]")
            }
            #expect(answers.answers.isEmpty)
            #expect(gateway.core.requestsInFlight == 0)
            #expect(gateway.core.keptBytesHeld == 0)
        }
        try await upstream.stop()
    }

    @Test("a store that falls silent at the end keeps the answer back until the limit, and not longer")
    func silentAtTheEnd() async throws {
        let hold = ScriptedUpstream.Hold()
        var limits = GatewayLimits()
        limits.wholeTimeout = .seconds(3)
        try await suite.run([.hold(hold), JournalOrderTests.whole], limits: limits) { gateway, _, answers in
            async let pending = gateway.send(IdempotencyTests.request())
            try await eventually { hold.waiting == 1 }
            answers.suffer(.silent)
            hold.open()
            let answer = try await pending
            #expect(answer.status == 200)
            #expect(answer.headers["idempotent-stored"] == "false")
            #expect(gateway.core.requestsInFlight == 0)
        }
    }

    @Test("a request whose lease went to another node is cut, and keeps nothing", arguments: ["", streamed])
    func stolen(more: String) async throws {
        var limits = IdempotencyFlow.Limits()
        limits.lease = .milliseconds(300)
        let hold = ScriptedUpstream.Hold()
        let answers = MemoryAnswers()
        let script = more.isEmpty ? [.hold(hold), JournalOrderTests.whole] : IdempotencyTests.stream([.hold(hold)])
        let upstream = try await ScriptedUpstream.start(script)
        try await GatewayFixture.run(
            upstream: upstream.port, idempotency: IdempotencyTests.flow(answers, limits: limits)
        ) { gateway in
            async let pending = gateway.send(IdempotencyTests.request(more))
            try await eventually {
                hold.waiting == 1 && (more.isEmpty || gateway.journal.tape.toClient.contains("one"))
            }
            answers.suffer(.stolen)
            let answer = try await pending
            #expect(answer.status == (more.isEmpty ? 409 : 200))
            #expect(answer.body.contains("IDEMPOTENCY_CONFLICT"))
            #expect(!answer.body.contains("[DONE]"))
            #expect(answers.answers.isEmpty)
            try await eventually { upstream.seen.closed.count == 1 }
            #expect(gateway.core.keptBytesHeld == 0)
        }
        try await upstream.stop()
    }
}
