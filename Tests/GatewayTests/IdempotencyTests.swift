import Flows
import Gateway
import Inference
import Kernel
import Logging
import NIOCore
import Synchronization
import Tenancy
import Testing

/// A keyed request is carried out once, whatever its clients do.
@Suite struct IdempotencyTests {
    static let streamed = #","stream":true"#

    static func stream(_ steps: [ScriptedUpstream.Step] = []) -> [ScriptedUpstream.Step] {
        [ScriptedUpstream.streamHead, ScriptedUpstream.chunk(JournalOrderTests.content("one"))] + steps + [
            ScriptedUpstream.chunk(JournalOrderTests.content("two") + JournalOrderTests.done),
            ScriptedUpstream.lastChunk,
        ]
    }

    static func flow(
        _ answers: MemoryAnswers, limits: IdempotencyFlow.Limits = IdempotencyFlow.Limits()
    ) -> IdempotencyFlow {
        IdempotencyFlow(
            store: answers, digest: PlainRequestDigest(), clock: SystemClock(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, limits: limits)
    }

    static func request(
        _ more: String = "", key: String = "k-1", token: String = OneKeyStore.token,
        path: String = "/v1/chat/completions"
    ) -> String {
        GatewayFixture.request(
            "POST", path, body: GatewayFixture.chat(more), headers: "idempotency-key: \(key)\r\n", token: token)
    }

    /// A gateway and its upstream, with everything that was taken given back at the end.
    func run(
        _ script: [ScriptedUpstream.Step] = [JournalOrderTests.whole], answers: MemoryAnswers = MemoryAnswers(),
        limits: GatewayLimits = GatewayLimits(), flowLimits: IdempotencyFlow.Limits = IdempotencyFlow.Limits(),
        journal: MemoryJournal.Mode = .group,
        _ body: (GatewayFixture, ScriptedUpstream, MemoryAnswers) async throws -> Void
    ) async throws {
        let upstream = try await ScriptedUpstream.start(script)
        let flow = Self.flow(answers, limits: flowLimits)
        try await GatewayFixture.run(
            upstream: upstream.port, limits: limits, journal: journal, idempotency: flow
        ) { gateway in
            try await body(gateway, upstream, answers)
            await gateway.core.endAll()
            #expect(gateway.core.requestsInFlight == 0)
            #expect(gateway.core.bodyBytesHeld == 0)
            #expect(gateway.journal.records.count == Set(gateway.journal.opens.map(\.request)).count)
            answers.recover()
            try await eventually { gateway.core.keptBytesHeld == 0 && answers.held == 0 && flow.waiters == 0 }
            #expect(gateway.core.keptBytesHeld == 0)
            #expect(answers.held == 0)
            #expect(flow.waiters == 0)
        }
        try await upstream.stop()
    }

    // MARK: Replays

    @Test("ten twins at once are one call to the upstream, and all get its answer", arguments: ["", streamed])
    func twins(more: String) async throws {
        let hold = ScriptedUpstream.Hold()
        let script = more.isEmpty ? [.hold(hold), JournalOrderTests.whole] : Self.stream([.hold(hold)])
        try await run(script) { gateway, upstream, answers in
            let texts = try await withThrowingTaskGroup(of: RawAnswer.self) { tasks in
                for _ in 0..<10 { tasks.addTask { try await gateway.send(Self.request(more)) } }
                // All of them have asked before the first one ends.
                try await eventually { answers.claims >= 10 && hold.waiting == 1 }
                hold.open()
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(upstream.seen.requests.count == 1)
            #expect(Set(texts.map(\.body)).count == 1)
            #expect(texts.allSatisfy { $0.status == 200 })
            #expect(texts.count { $0.headers["idempotent-replayed"] == "true" } == 9)
            #expect(Set(texts.compactMap { $0.headers["x-request-id"] }).count == 10)
            let records = try await gateway.records()
            #expect(records.count == 1)
        }
    }

    @Test("twins on two nodes are one call to the upstream")
    func twoNodes() async throws {
        let hold = ScriptedUpstream.Hold()
        try await run([.hold(hold), JournalOrderTests.whole]) { first, upstream, answers in
            try await GatewayFixture.run(upstream: upstream.port, idempotency: Self.flow(answers)) { second in
                async let one = first.send(Self.request())
                try await eventually { hold.waiting == 1 }
                async let other = second.send(Self.request())
                try await eventually { answers.claims >= 2 }
                hold.open()
                let bodies = [try await one.body, try await other.body]
                #expect(bodies[0] == bodies[1])
                let replay = try await other
                #expect(replay.headers["idempotent-replayed"] == "true")
                #expect(second.journal.opens.isEmpty)
            }
            #expect(upstream.seen.requests.count == 1)
        }
    }

    @Test("a stream is replayed byte for byte, with its end, also to a client of HTTP/1.0")
    func replayedStream() async throws {
        try await run(Self.stream()) { gateway, upstream, _ in
            let first = try await gateway.send(Self.request(Self.streamed))
            #expect(first.events.last == "[DONE]")
            #expect(first.headers["idempotent-replayed"] == nil)
            let again = try await gateway.send(Self.request(Self.streamed))
            #expect(again.body == first.body)
            #expect(again.headers["content-type"] == first.headers["content-type"])
            #expect(again.headers["idempotent-replayed"] == "true")
            let old = try await gateway.send(Self.request(Self.streamed).replacing("HTTP/1.1", with: "HTTP/1.0"))
            #expect(old.body == first.body)
            #expect(old.headers["transfer-encoding"] == nil)
            #expect(upstream.seen.requests.count == 1)
        }
    }

    @Test("a client of HTTP/1.0 gets the stream, and its retry the same one")
    func oldClient() async throws {
        try await run(Self.stream()) { gateway, upstream, _ in
            let text = Self.request(Self.streamed).replacing("HTTP/1.1", with: "HTTP/1.0")
            let first = try await gateway.send(text)
            #expect(first.events.last == "[DONE]")
            let again = try await gateway.send(text)
            #expect(again.body == first.body)
            #expect(upstream.seen.requests.count == 1)
        }
    }

    @Test("a connection goes on after a replay")
    func keepAlive() async throws {
        try await run { gateway, _, _ in
            _ = try await gateway.send(Self.request())
            let again = Self.request().replacing("connection: close\r\n", with: "")
            let text = try await RawClient.connect(to: gateway.port).send(again + again + Self.request())
            #expect(text.ranges(of: "HTTP/1.1 200").count == 3)
            #expect(text.ranges(of: "idempotent-replayed: true").count == 3)
        }
    }

    @Test("an upstream's failure is replayed", arguments: ["500 Oops", "400 Bad Request"])
    func failure(status: String) async throws {
        try await run([ScriptedUpstream.json("{}", status: status)]) { gateway, upstream, _ in
            let first = try await gateway.send(Self.request())
            #expect(first.status == (status.hasPrefix("500") ? 502 : 400))
            let asked = upstream.seen.requests.count
            let again = try await gateway.send(Self.request())
            #expect(again.status == first.status)
            #expect(again.body == first.body)
            #expect(again.headers["idempotent-replayed"] == "true")
            #expect(upstream.seen.requests.count == asked)
        }
    }

    @Test("a stream that broke off is replayed with the error that ended it")
    func truncated() async throws {
        let script = [ScriptedUpstream.streamHead, ScriptedUpstream.chunk(JournalOrderTests.content("one")), .close]
        try await run(script) { gateway, upstream, _ in
            let first = try await gateway.send(Self.request(Self.streamed))
            #expect(first.body.contains("UPSTREAM_TRUNCATED"))
            let again = try await gateway.send(Self.request(Self.streamed))
            #expect(again.body == first.body)
            #expect(upstream.seen.requests.count == 1)
        }
    }

    // MARK: No replays

    @Test("the same key with another body is a conflict")
    func conflict() async throws {
        try await run { gateway, upstream, _ in
            _ = try await gateway.send(Self.request())
            let other = try await gateway.send(Self.request(#","temperature":0"#))
            #expect(other.status == 409)
            #expect(other.body.contains("IDEMPOTENCY_CONFLICT"))
            #expect(upstream.seen.requests.count == 1)
        }
    }

    @Test("the same key in another workspace, or on another route, is another key")
    func scope() async throws {
        try await run { gateway, upstream, answers in
            _ = try await gateway.send(Self.request())
            let neighbour = try await gateway.send(Self.request(token: OneKeyStore.neighboursToken))
            #expect(neighbour.status == 200)
            #expect(neighbour.headers["idempotent-replayed"] == nil)
            let prompt = #"{"model":"test-model","prompt":"hello"}"#
            let completion = try await gateway.send(
                GatewayFixture.request(
                    "POST", "/v1/completions", body: prompt, headers: "idempotency-key: k-1\r\n"))
            #expect(completion.headers["idempotent-replayed"] == nil)
            #expect(upstream.seen.requests.count == 3)
            #expect(answers.keys.count == 3)
        }
    }

    @Test("who has no good credential gets no replay")
    func credential() async throws {
        try await run { gateway, _, answers in
            _ = try await gateway.send(Self.request())
            let claims = answers.claims
            let wrong = OneKeyStore.token.replacing("bbb", with: "xxx")
            let answer = try await gateway.send(Self.request(token: wrong))
            #expect(answer.status == 401)
            #expect(answer.headers["idempotent-replayed"] == nil)
            #expect(answers.claims == claims)
        }
    }

    @Test("what was refused before an upstream was asked is not kept")
    func refusals() async throws {
        try await run { gateway, upstream, answers in
            let invalid = try await gateway.send(Self.request(#","stream":"yes""#))
            #expect(invalid.status == 400)
            #expect(answers.claims == 0)
            gateway.journal.refuseWork()
            let blocked = try await gateway.send(Self.request())
            #expect(blocked.status == 503)
            try await eventually { answers.held == 0 }
            #expect(answers.answers.isEmpty)
            #expect(upstream.seen.connections == 0)
        }
    }

    @Test("an upstream that cannot be reached leaves the key free")
    func unreachable() async throws {
        let answers = MemoryAnswers()
        // Nothing listens on port 1, and no test beside this one is ever given it.
        try await GatewayFixture.run(upstream: 1, idempotency: Self.flow(answers)) { gateway in
            let first = try await gateway.send(Self.request())
            #expect(first.status == 502)
            let again = try await gateway.send(Self.request())
            #expect(again.status == 502)
            #expect(again.headers["idempotent-replayed"] == nil)
            #expect(answers.answers.isEmpty)
        }
    }

    @Test("a provider's refusal for a while is not repeated", arguments: [429, 503])
    func later(status: Int) async throws {
        let script = [ScriptedUpstream.json("{}", status: "\(status) Later", headers: "retry-after: 1\r\n")]
        try await run(script) { gateway, upstream, answers in
            let first = try await gateway.send(Self.request())
            #expect(first.status == status)
            let asked = upstream.seen.requests.count
            let again = try await gateway.send(Self.request())
            #expect(again.headers["idempotent-replayed"] == nil)
            #expect(upstream.seen.requests.count > asked)
            #expect(answers.answers.isEmpty)
        }
    }

    @Test("a key that is too long, empty or said twice is refused")
    func badKeys() async throws {
        try await run { gateway, upstream, answers in
            for key in [String(repeating: "k", count: 256), " ", "käse", "a\r\nidempotency-key: b"] {
                let answer = try await gateway.send(Self.request(key: key))
                #expect(answer.status == 400)
                #expect(answer.body.contains("Idempotency-Key"))
            }
            #expect(answers.claims == 0)
            #expect(upstream.seen.connections == 0)
        }
    }

    @Test("a request without a key does not come near the store")
    func unkeyed() async throws {
        let answers = MemoryAnswers()
        answers.suffer(.away)
        try await run(answers: answers) { gateway, _, answers in
            let answer = try await gateway.chat()
            #expect(answer.status == 200)
            #expect(answers.claims == 0)
        }
    }

    @Test("an answer that is too long is passed on, said not to be kept, and made anew", arguments: ["", streamed])
    func tooLong(more: String) async throws {
        var limits = GatewayLimits()
        limits.longestKeptAnswer = 80
        try await run(more.isEmpty ? [JournalOrderTests.whole] : Self.stream(), limits: limits) {
            gateway, upstream, answers in
            for count in 1...2 {
                let answer = try await gateway.send(Self.request(more))
                #expect(answer.status == 200)
                #expect(answer.headers["idempotent-replayed"] == nil)
                if more.isEmpty {
                    #expect(answer.headers["idempotent-stored"] == "false")
                } else {
                    #expect(answer.events.last == "[DONE]")
                }
                #expect(upstream.seen.requests.count == count)
            }
            #expect(answers.answers.isEmpty)
        }
    }

    @Test("a stream that has become too long is not held any more")
    func tooLongIsLetGo() async throws {
        var limits = GatewayLimits()
        limits.longestKeptAnswer = 80
        let hold = ScriptedUpstream.Hold()
        let script =
            [ScriptedUpstream.streamHead, ScriptedUpstream.chunk(JournalOrderTests.content("first"))]
            + [.wait(.milliseconds(20))] + Self.stream([.hold(hold)]).dropFirst()
        try await run(script, limits: limits) { gateway, _, _ in
            async let answer = gateway.send(Self.request(Self.streamed))
            try await eventually { gateway.journal.tape.toClient.contains("one") && gateway.core.keptBytesHeld == 0 }
            #expect(gateway.core.keptBytesHeld == 0)
            hold.open()
            let ended = try await answer
            #expect(ended.events.last == "[DONE]")
        }
    }

    @Test("where there is no room to hold an answer it is passed on and not kept")
    func noRoom() async throws {
        var limits = GatewayLimits()
        limits.maximumKeptHeld = 0
        try await run(limits: limits) { gateway, _, answers in
            let answer = try await gateway.send(Self.request())
            #expect(answer.status == 200)
            #expect(answer.headers["idempotent-stored"] == "false")
            #expect(answers.answers.isEmpty)
        }
    }
}
