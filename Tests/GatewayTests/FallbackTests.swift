import Flows
import Gateway
import Inference
import Kernel
import NIOCore
import Testing

/// A model with several deployments: who answers, who is asked next, and what the record says of it.
@Suite struct FallbackTests {
    private static let good = ScriptedUpstream.json(
        #"{"id":"up-1","choices":[{"message":{"content":"from the second"}}],"#
            + #""usage":{"prompt_tokens":3,"completion_tokens":2}}"#)
    private static let goodStream: [ScriptedUpstream.Step] = [
        ScriptedUpstream.streamHead,
        ScriptedUpstream.chunk(
            #"data: {"id":"up-1","choices":[{"delta":{"content":"from the second"}}]}"# + "\n\n"
                + #"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"# + "\n\n"
                + "data: [DONE]\n\n"),
        ScriptedUpstream.lastChunk,
    ]

    struct Fault: Sendable, CustomTestStringConvertible {
        let name: String
        let script: [ScriptedUpstream.Step]
        /// What the first call is recorded to have cost.
        let cost: Attempt.Cost

        var testDescription: String { name }
    }

    static let faults: [Fault] = [
        Fault(name: "reset", script: [.reset], cost: .unknown),
        Fault(name: "closed", script: [.close], cost: .unknown),
        Fault(name: "silent", script: [.silence], cost: .unknown),
        Fault(name: "429", script: [ScriptedUpstream.json("{}", status: "429 Too Many")], cost: .none),
        Fault(name: "500", script: [ScriptedUpstream.json("{}", status: "500 No")], cost: .unknown),
        Fault(name: "503", script: [ScriptedUpstream.json("{}", status: "503 No")], cost: .none),
        Fault(name: "401", script: [ScriptedUpstream.json("{}", status: "401 No")], cost: .none),
        Fault(name: "broken JSON", script: [ScriptedUpstream.json(#"{"choices":[{"#)], cost: .unknown),
        Fault(
            name: "an error with status 200", script: [ScriptedUpstream.json(#"{"error":{"message":"x"}}"#)],
            cost: .unknown),
        Fault(name: "no HTTP", script: [.send("SSH-2.0-x\r\n\r\n")], cost: .unknown),
    ]

    private func deployments(_ first: Int, _ second: Int, provider: ProviderID? = nil) -> [Deployment] {
        var backup = DeploymentTerms()
        backup.priority = 1
        return [
            GatewayFixture.deployment(port: first, number: 1),
            GatewayFixture.deployment(
                port: second, upstreamModel: "other-name", provider: provider, number: 2, terms: backup),
        ]
    }

    private var quick: GatewayLimits {
        var limits = GatewayLimits()
        limits.firstByteTimeout = .seconds(3)
        return limits
    }

    @Test("the next deployment answers when the first does not, with one record and two attempts", arguments: faults)
    func fallsBack(_ fault: Fault) async throws {
        for isStream in [false, true] {
            let first = try await ScriptedUpstream.start(fault.script)
            let second = try await ScriptedUpstream.start(isStream ? Self.goodStream : [Self.good])
            try await GatewayFixture.run(
                limits: fault.name == "silent" ? quick : GatewayLimits(),
                deployments: deployments(first.port, second.port)
            ) { gateway in
                let answer = try await gateway.chat(isStream ? #","stream":true"# : "")
                #expect(answer.status == 200)
                #expect(answer.body.contains("from the second"))
                #expect(answer.headers["volery-route"] == DeploymentID(ULID(high: 2, low: 2)).description)
                let record = try #require(try await gateway.records().first)
                #expect(record.status == .succeeded)
                #expect(record.deployment == DeploymentID(ULID(high: 2, low: 2)))
                #expect(record.usage.outputTokens == 2)
                #expect(record.attempts.map(\.number) == [1, 2])
                #expect(record.attempts.map(\.deployment.ulid.low) == [1, 2])
                #expect(record.attempts.map(\.cost) == [fault.cost, .confirmed])
                #expect(gateway.journal.records.count == 1)
            }
            #expect(second.seen.requests.first?.contains(#""model":"other-name""#) == true)
            #expect(first.seen.requests.allSatisfy { $0.contains(#""model":"upstream-name""#) })
            try await first.stop()
            try await second.stop()
        }
    }

    @Test("a refused connection costs nothing, and the next deployment answers")
    func refused() async throws {
        let second = try await ScriptedUpstream.start([Self.good])
        try await GatewayFixture.run(
            deployments: deployments(1, second.port)
        ) { gateway in
            let answer = try await gateway.chat()
            let record = try await gateway.records().first
            #expect(answer.status == 200)
            #expect(record?.attempts.map(\.cost) == [.none, .confirmed])
        }
        try await second.stop()
    }

    @Test("what the request itself is refused for is not asked of others")
    func rejection() async throws {
        let first = try await ScriptedUpstream.start([
            ScriptedUpstream.json(#"{"error":{"message":"bad value"}}"#, status: "400 Bad")
        ])
        let second = try await ScriptedUpstream.start([Self.good])
        try await GatewayFixture.run(deployments: deployments(first.port, second.port)) { gateway in
            let answer = try await gateway.chat()
            let record = try await gateway.records().first
            #expect(answer.status == 400)
            #expect(record?.attempts.count == 1)
        }
        #expect(second.seen.requests.isEmpty)
        try await first.stop()
        try await second.stop()
    }

    static let ends: [[ScriptedUpstream.Step]] = [[.close], [.reset], [.silence]]

    @Test("after the first byte nobody else is asked", arguments: ends)
    func neverAfterTheFirstByte(_ end: [ScriptedUpstream.Step]) async throws {
        let event = #"data: {"choices":[{"delta":{"content":"word"}}]}"# + "\n\n"
        let first = try await ScriptedUpstream.start(
            [ScriptedUpstream.streamHead, ScriptedUpstream.chunk(event)] + end)
        let second = try await ScriptedUpstream.start(Self.goodStream)
        var limits = GatewayLimits()
        limits.idleTimeout = .seconds(2)
        try await GatewayFixture.run(limits: limits, deployments: deployments(first.port, second.port)) { gateway in
            let answer = try await gateway.chat(#","stream":true"#)
            #expect(answer.body.contains("word") && answer.body.contains(#""error""#))
            #expect(!answer.body.contains("[DONE]"))
            let record = try #require(try await gateway.records().first)
            #expect(record.attempts.count == 1 && record.deployment.ulid.low == 1)
        }
        #expect(second.seen.requests.isEmpty)
        try await first.stop()
        try await second.stop()
    }

    @Test("a stream whose first event is an error is asked of the next one")
    func errorFirst() async throws {
        let first = try await ScriptedUpstream.start([
            ScriptedUpstream.streamHead, ScriptedUpstream.chunk(": ping\n\n"),
            ScriptedUpstream.chunk("data: {\"error\":{\"message\":\"busy\"}}\n\n"),
        ])
        let second = try await ScriptedUpstream.start(Self.goodStream)
        try await GatewayFixture.run(deployments: deployments(first.port, second.port)) { gateway in
            let answer = try await gateway.chat(#","stream":true"#)
            #expect(answer.body.contains("from the second") && answer.body.hasSuffix("data: [DONE]\n\n"))
            #expect(!answer.body.contains("busy"))
        }
        try await first.stop()
        try await second.stop()
    }

    @Test("all of them down is a clear error, after as many calls as the workspace allows")
    func allDown() async throws {
        let first = try await ScriptedUpstream.start([ScriptedUpstream.json("{}", status: "500 No")])
        try await GatewayFixture.run(
            deployments: deployments(first.port, 1)
        ) { gateway in
            let answer = try await gateway.chat()
            #expect(answer.status == 502)
            let record = try #require(try await gateway.records().first)
            #expect(record.status == .failed)
            #expect(record.attempts.count == WorkspaceRouting.usual.mostAttempts)
            #expect(record.attempts.map(\.number) == [1, 2, 3])
        }
        try await first.stop()
    }

    @Test("five failures open the breaker: the deployment is left alone, and one alone says so at once")
    func breaker() async throws {
        let first = try await ScriptedUpstream.start([ScriptedUpstream.json("{}", status: "500 No")])
        let second = try await ScriptedUpstream.start([Self.good])
        try await GatewayFixture.run(deployments: deployments(first.port, second.port)) { gateway in
            for _ in 0..<20 {
                let answer = try await gateway.chat()
                #expect(answer.status == 200)
            }
            // A connection that was closed while it was idle costs a request that is no failure.
            let asked = Breaker.Settings().failuresInRow
            #expect((asked...asked + 3).contains(first.seen.requests.count))
        }
        try await GatewayFixture.run(deployments: [GatewayFixture.deployment(port: first.port)]) { gateway in
            let before = first.seen.requests.count
            for _ in 0..<10 { _ = try await gateway.chat() }
            #expect(first.seen.requests.count - before <= Breaker.Settings().failuresInRow + 3)
            let answer = try await gateway.chat()
            #expect(answer.status == 503 && answer.body.contains("PROVIDER_DEGRADED"))
            #expect(answer.headers["retry-after"] != nil)
        }
        try await first.stop()
        try await second.stop()
    }

    @Test("what is set aside is asked anew where the next one belongs to somebody else, and kept where it does not")
    func holds() async throws {
        for provider in [nil, ProviderID(ULID(high: 5, low: 5))] {
            let first = try await ScriptedUpstream.start([.close])
            let second = try await ScriptedUpstream.start([Self.good])
            let admission = ScriptedAdmission()
            try await GatewayFixture.run(
                deployments: deployments(first.port, second.port, provider: provider), admission: admission
            ) { gateway in
                let answer = try await gateway.chat()
                let record = try await gateway.records().first
                #expect(answer.status == 200)
                let tickets = admission.tickets
                #expect(tickets.count == (provider == nil ? 1 : 2))
                #expect(tickets.last?.ends.count == 1 && tickets.last?.ends.first != .some(nil))
                #expect(record?.billing.provider == provider)
                #expect(record?.attempts.map(\.provider) == [nil, provider])
            }
            try await first.stop()
            try await second.stop()
        }
    }

    @Test("a deployment answers no more at once than it may; others wait their turn, the higher first")
    func queue() async throws {
        let hold = ScriptedUpstream.Hold()
        let upstream = try await ScriptedUpstream.start([.hold(hold), Self.good])
        var terms = DeploymentTerms()
        terms.concurrency = .fixed(1)
        var limits = GatewayLimits()
        limits.queueTimeout = .seconds(60)
        try await GatewayFixture.run(
            limits: limits, deployments: [GatewayFixture.deployment(port: upstream.port, terms: terms)]
        ) { gateway in
            try await withThrowingTaskGroup(of: RawAnswer.self) { group in
                for _ in 0..<5 { group.addTask { try await gateway.chat() } }
                try await eventually { hold.waiting == 1 }
                try await eventually { gateway.waiting == 4 }
                #expect(upstream.seen.requests.count == 1)
                hold.open()
                for try await answer in group { #expect(answer.status == 200) }
            }
            #expect(gateway.waiting == 0)
            #expect(try await gateway.records(5).count == 5)
        }
        try await upstream.stop()
    }

    @Test("who waits too long, or leaves, is out of the line, and costs nothing")
    func queueEnds() async throws {
        let hold = ScriptedUpstream.Hold()
        let upstream = try await ScriptedUpstream.start([.hold(hold), Self.good])
        var terms = DeploymentTerms()
        terms.concurrency = .fixed(1)
        var limits = GatewayLimits()
        limits.queueTimeout = .milliseconds(200)
        let admission = ScriptedAdmission()
        try await GatewayFixture.run(
            limits: limits, deployments: [GatewayFixture.deployment(port: upstream.port, terms: terms)],
            admission: admission
        ) { gateway in
            async let first = gateway.chat()
            try await eventually { hold.waiting == 1 }
            let late = try await gateway.chat()
            #expect(late.status == 503 && late.body.contains("OVERLOADED"))
            #expect(late.headers["retry-after"] != nil)
            #expect(gateway.waiting == 0)
            #expect(admission.tickets.count == 1)
            hold.open()
            #expect(try await first.status == 200)
            #expect(try await gateway.records().count == 1)
        }
        try await upstream.stop()
    }

    @Test("no number of a caller's is too large for the router, however slow its deployments were")
    func hugeNumbers() async throws {
        let upstream = try await ScriptedUpstream.start([Self.good])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let id = DeploymentID(ULID(high: 2, low: 2))
            let first = try await gateway.chat()
            #expect(first.status == 200)
            gateway.core.flow.board.state(of: id)?.note(
                perToken: .seconds(600), at: gateway.core.flow.clock.uptime)
            let answer = try await gateway.chat(#","best_of":9000000000000,"max_tokens":9000000000000"#)
            #expect(answer.status == 200)
        }
        try await upstream.stop()
    }

    @Test("a request may ask for a lower priority, and for none that is none")
    func priority() async throws {
        let upstream = try await ScriptedUpstream.start([Self.good])
        try await GatewayFixture.run(upstream: upstream.port) { gateway in
            let body = GatewayFixture.chat()
            let low = try await gateway.send(GatewayFixture.request(body: body, headers: "volery-priority: low\r\n"))
            #expect(low.status == 200)
            let wrong = try await gateway.send(
                GatewayFixture.request(body: body, headers: "volery-priority: urgent\r\n"))
            #expect(wrong.status == 400 && wrong.body.contains("volery-priority"))
        }
        try await upstream.stop()
    }

    @Test("a prompt that fits nowhere is refused with its counts, and goes to the deployment where it fits")
    func context() async throws {
        let upstream = try await ScriptedUpstream.start([Self.good])
        let text = String(repeating: "long words ", count: 2000)
        let body = #"{"model":"test-model","messages":[{"role":"user","content":"\#(text)"}]}"#
        let small = GatewayFixture.deployment(port: 1, number: 1, contextLimit: 1000)
        try await GatewayFixture.run(deployments: [small]) { gateway in
            let answer = try await gateway.send(GatewayFixture.request(body: body))
            #expect(answer.status == 400 && answer.body.contains("CONTEXT_LENGTH_EXCEEDED"))
            #expect(answer.body.contains(#""context_limit":1000"#) && answer.body.contains("prompt_tokens_at_least"))
        }
        let large = GatewayFixture.deployment(port: upstream.port, number: 2, contextLimit: 100_000)
        try await GatewayFixture.run(deployments: [small, large]) { gateway in
            let answer = try await gateway.send(GatewayFixture.request(body: body))
            #expect(answer.status == 200)
        }
        try await upstream.stop()
    }
}

extension GatewayFixture {
    /// Requests that wait for a place at the model's deployments.
    var waiting: Int {
        core.flow.board.service(of: ModelName(Self.model).unsafelyKnown, in: .production).waiting
    }
}
