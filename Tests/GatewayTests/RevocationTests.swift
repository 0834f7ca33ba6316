import Flows
import Foundation
import Gateway
import Inference
import Kernel
import Logging
import NIOCore
import Tenancy
import Testing

/// A revocation on the list ends what runs on the key, and nothing else.
@Suite struct RevocationTests {
    private struct World {
        let gateway: GatewayFixture
        let keys: KnownKeys
        let list: RevocationList
        let follower: RevocationFollower
    }

    private static let event = #"data: {"choices":[{"delta":{"content":"word"}}]}"# + "\n\n"

    private func run(
        _ script: [ScriptedUpstream.Step], facts: KeyFacts = KnownKeys.facts(),
        _ body: @escaping (World) async throws -> Void
    ) async throws {
        let upstream = try await ScriptedUpstream.start(script)
        let keys = KnownKeys(facts, KnownKeys.facts(1))
        try await GatewayFixture.run(upstream: upstream.port, keys: keys) { gateway in
            let list = RevocationList()
            let follower = RevocationFollower(
                store: list, keys: gateway.core.flow.keys, requests: gateway.core, credentials: nil,
                clock: SystemClock(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await follower.catchUp()
            try await body(World(gateway: gateway, keys: keys, list: list, follower: follower))
        }
        try await upstream.stop()
    }

    private static var openStream: [ScriptedUpstream.Step] {
        [ScriptedUpstream.streamHead, ScriptedUpstream.chunk(event), .silence]
    }

    private func stream(_ number: Int = 0) -> String {
        GatewayFixture.request(
            body: GatewayFixture.chat(#","stream":true"#), token: KnownKeys.token(number))
    }

    /// Opens a stream, brings the change into force when its first word is there, and reads to the end.
    private func cut(
        _ world: World, number: Int = 0, _ change: @escaping @Sendable (World) async throws -> Void
    ) async throws -> String {
        let client = try await RawClient.connect(to: world.gateway.port)
        async let whole = client.send(stream(number))
        try await eventually { world.gateway.core.requestsInFlight == 1 && !world.gateway.journal.progress.isEmpty }
        try await change(world)
        return try await whole
    }

    @Test("an open stream of a revoked key ends with an error event, and what it used is recorded")
    func streamIsCut() async throws {
        try await run(Self.openStream) { world in
            let text = try await cut(world) { world in
                world.keys.replace(KnownKeys.facts(revoked: true))
                world.list.add(.key(KnownKeys.facts().key.id))
                try await world.follower.didRevoke()
            }
            #expect(text.contains("word") && text.contains("INVALID_API_KEY") && !text.contains("[DONE]"))
            let record = try #require(try await world.gateway.records().first)
            #expect(record.status == .truncated)
            #expect(record.errorCode == "INVALID_API_KEY")
            #expect(record.usage.outputTokens == 1)
        }
    }

    @Test("a connection that has shown a good key remembers no verdict: revoked, the key is refused on it")
    func keptConnection() async throws {
        try await run([Self.answer]) { world in
            let client = try await RawClient.connect(to: world.gateway.port)
            let text = try await client.converse(
                request(0) + request(0) + request(0), until: { count("200 OK", in: $0) == 3 },
                then: request(0, closes: true)
            ) {
                world.keys.replace(KnownKeys.facts(revoked: true))
                world.list.add(.key(KnownKeys.facts().key.id))
                try await world.follower.didRevoke()
            }
            #expect(count("200 OK", in: text) == 3)
            #expect(count("401 Unauthorized", in: text) == 1)
        }
    }

    @Test("on one connection each request is its own key's")
    func keysInTurn() async throws {
        try await run([Self.answer]) { world in
            let client = try await RawClient.connect(to: world.gateway.port)
            let wrong = GatewayFixture.request(body: GatewayFixture.chat(), token: KnownKeys.wrong(0, 1))
            let text = try await client.send([0, 1, 1, 0, 0].map { request($0) }.joined() + wrong)
            #expect(count("200 OK", in: text) == 5)
            #expect(count("401 Unauthorized", in: text) == 1)
            #expect(try await world.gateway.records(5).map(\.key.ulid.low) == [0, 1, 1, 0, 0])
        }
    }

    private static let answer = ScriptedUpstream.json(#"{"choices":[]}"#)

    private func request(_ number: Int, closes: Bool = false) -> String {
        GatewayFixture.request(body: GatewayFixture.chat(), token: KnownKeys.token(number), closes: closes)
    }

    private func count(_ word: String, in text: String) -> Int { text.components(separatedBy: word).count - 1 }

    @Test("a request that was not answered yet is answered with 401")
    func unansweredIsCut() async throws {
        try await run([.silence]) { world in
            let client = try await RawClient.connect(to: world.gateway.port)
            async let whole = client.send(
                GatewayFixture.request(body: GatewayFixture.chat(), token: KnownKeys.token(0)))
            try await eventually { world.gateway.core.requestsInFlight == 1 }
            world.keys.replace(KnownKeys.facts(revoked: true))
            world.list.add(.key(KnownKeys.facts().key.id))
            try await world.follower.didRevoke()
            let answer = RawAnswer(try await whole)
            #expect(answer.status == 401)
            #expect(answer.body.contains("INVALID_API_KEY"))
            #expect(try await world.gateway.records().first?.httpStatus == 401)
        }
    }

    enum Cause: CaseIterable {
        case workspace, tenant, user, pruned
    }

    @Test(
        "so does a suspension of what the key belongs to, and a list that was pruned past this node",
        arguments: Cause.allCases)
    func suspended(cause: Cause) async throws {
        let facts = KnownKeys.facts(user: KnownKeys.user)
        let member = Member(
            id: MemberID(ULID(high: 6, low: 6)), tenant: KnownKeys.tenant, workspace: nil, user: KnownKeys.user,
            role: .developer, created: Instant(microseconds: 0))
        let active = KeyFacts(key: facts.key, user: .active, members: [member])
        try await run(Self.openStream, facts: active) { world in
            let text = try await cut(world) { world in
                let since = Standing.suspended(since: Instant(microseconds: 5))
                switch cause {
                case .workspace:
                    world.keys.replace(KeyFacts(key: facts.key, workspace: since, user: .active, members: [member]))
                    world.list.add(.workspace(KnownKeys.workspace))
                case .tenant:
                    world.keys.replace(KeyFacts(key: facts.key, tenant: since, user: .active, members: [member]))
                    world.list.add(.tenant(KnownKeys.tenant))
                case .user:
                    // No longer a member: the key is left without any permission.
                    world.keys.replace(KeyFacts(key: facts.key, user: .active, members: []))
                    world.list.add(.user(KnownKeys.user))
                case .pruned:
                    world.keys.replace(KeyFacts(key: facts.key, user: since, members: [member]))
                    world.list.add(.user(KnownKeys.user))
                    world.list.prune()
                }
                try await world.follower.catchUp()
            }
            #expect(text.contains("INVALID_API_KEY"))
        }
    }

    @Test("a key that was changed and is still good keeps its stream; so does another key")
    func othersGoOn() async throws {
        let hold = ScriptedUpstream.Hold()
        let rest = ScriptedUpstream.chunk("data: [DONE]\n\n")
        let script = [
            ScriptedUpstream.streamHead, ScriptedUpstream.chunk(Self.event), .hold(hold), rest,
            ScriptedUpstream.lastChunk,
        ]
        try await run(script) { world in
            let text = try await cut(world) { world in
                world.list.add(.key(KnownKeys.facts().key.id))
                world.keys.replace(KnownKeys.facts(1, revoked: true))
                world.list.add(.key(KnownKeys.facts(1).key.id))
                try await world.follower.didRevoke()
                hold.open()
            }
            #expect(text.contains("[DONE]") && !text.contains("INVALID_API_KEY"))
        }
    }

    @Test("a key is refused from the moment that the call which revoked it returns")
    func refusedAtOnce() async throws {
        try await run([ScriptedUpstream.json(#"{"choices":[]}"#)]) { world in
            let request = GatewayFixture.request(body: GatewayFixture.chat(), token: KnownKeys.token(0))
            #expect(try await world.gateway.send(request).status == 200)
            world.keys.replace(KnownKeys.facts(workspace: .suspended(since: Instant(microseconds: 9))))
            world.list.add(.workspace(KnownKeys.workspace))
            #expect(try await world.gateway.send(request).status == 200)
            try await world.follower.didRevoke()
            #expect(try await world.gateway.send(request).status == 401)
            world.keys.replace(KnownKeys.facts())
            world.list.add(.workspace(KnownKeys.workspace))
            try await world.follower.didRevoke()
            #expect(try await world.gateway.send(request).status == 200)
        }
    }

    @Test("a key whose check began before its revocation is checked again")
    func checkedAgain() async throws {
        try await run([ScriptedUpstream.json(#"{"choices":[]}"#)]) { world in
            let gateway = world.gateway
            world.keys.holdAnswers()
            async let answer = gateway.send(
                GatewayFixture.request(body: GatewayFixture.chat(), token: KnownKeys.token(0)))
            try await eventually { world.keys.held == 1 }
            world.keys.replace(KnownKeys.facts(revoked: true))
            world.list.add(.key(KnownKeys.facts().key.id))
            try await world.follower.didRevoke()
            world.keys.letAnswersGo()
            let status = try await answer.status
            #expect(status == 401)
            #expect(gateway.journal.opens.isEmpty)
        }
    }

    @Test("a failed look is made up for by the next one")
    func storeAway() async throws {
        try await run([ScriptedUpstream.json(#"{"choices":[]}"#)]) { world in
            let request = GatewayFixture.request(body: GatewayFixture.chat(), token: KnownKeys.token(0))
            #expect(try await world.gateway.send(request).status == 200)
            world.keys.replace(KnownKeys.facts(revoked: true))
            world.list.add(.key(KnownKeys.facts().key.id))
            world.list.setAway(true)
            await #expect(throws: Problem.self) { try await world.follower.catchUp() }
            world.list.setAway(false)
            try await world.follower.catchUp()
            #expect(try await world.gateway.send(request).status == 401)
        }
    }
}
