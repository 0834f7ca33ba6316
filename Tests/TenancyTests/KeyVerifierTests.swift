import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct KeyVerifierTests {
    private struct World {
        let clock = ManualClock()
        let samples: Samples
        let workspace: Workspace
        let token: KeyToken
        let key: APIKey
        let store: MemoryKeyStore
        let hasher: TransparentHasher
        let verifier: KeyVerifier

        init(
            expires: Instant? = nil, hashGate: Gate = Gate(isOpen: true), findGate: Gate = Gate(isOpen: true),
            limits: KeyVerifier.Limits = KeyVerifier.Limits()
        ) {
            samples = Samples(clock: clock)
            workspace = samples.workspace()
            token = KeyToken.make(random: SeededRandom(seed: 9))
            key = samples.key(for: token, in: workspace, expires: expires)
            store = MemoryKeyStore([key], gate: findGate)
            hasher = TransparentHasher(gate: hashGate)
            verifier = KeyVerifier(
                store: store, hasher: hasher, digests: PlainDigest(), clock: clock, limits: limits)
        }

        var text: String { token.text.reveal() }

        /// The same prefix with another secret.
        func wrong(_ digit: Character = "0") -> String { "vk_\(token.prefix)_" + String(repeating: digit, count: 40) }
    }

    @Test("a good token is accepted, hashed once, and known without waiting afterwards")
    func accepted() async throws {
        let world = World()
        #expect(world.verifier.cached(world.text) == nil)
        #expect(try await world.verifier.verify(world.text) == .accepted(KeyHolder(KeyFacts(key: world.key))))
        #expect(world.verifier.cached(world.text)?.verdict == .accepted(KeyHolder(KeyFacts(key: world.key))))
        #expect(world.hasher.verifications == 1)
    }

    @Test("a hundred callers with one unverified token wait for one hash")
    func singleFlight() async throws {
        let gate = Gate()
        let world = World(hashGate: gate)
        try await withThrowingTaskGroup(of: KeyVerifier.Verdict.self) { group in
            for _ in 0..<100 { group.addTask { try await world.verifier.verify(world.text) } }
            try await eventually("the hash began") { gate.waiting > 0 }
            // Everybody had a turn: a second hash would be seen below.
            for _ in 0..<1000 { await Task.yield() }
            gate.open()
            for try await verdict in group { #expect(verdict == .accepted(KeyHolder(KeyFacts(key: world.key)))) }
        }
        #expect(world.hasher.verifications == 1)
    }

    @Test("a wrong secret is refused, and repeating it costs no hash until the refusal is forgotten")
    func negativeCache() async throws {
        let world = World()
        #expect(try await world.verifier.verify(world.wrong()) == .refused)
        #expect(world.verifier.cached(world.wrong())?.verdict == .refused)
        #expect(world.hasher.verifications == 1)
        world.clock.advance(by: .seconds(11))
        #expect(world.verifier.cached(world.wrong()) == nil)
        #expect(try await world.verifier.verify(world.wrong()) == .refused)
        #expect(world.hasher.verifications == 2)
        #expect(try await world.verifier.verify(world.text) == .accepted(KeyHolder(KeyFacts(key: world.key))))
    }

    @Test("an unknown prefix and text that is no token cost no hash")
    func unknownPrefix() async throws {
        let world = World()
        let stranger = KeyToken.make(random: SeededRandom(seed: 77)).text.reveal()
        #expect(try await world.verifier.verify(stranger) == .refused)
        #expect(try await world.verifier.verify("sk-whatever") == .refused)
        #expect(world.hasher.verifications == 0)
        #expect(world.store.finds == 1)
    }

    @Test("a revocation by another process is seen when the verdict is no longer fresh, without another hash")
    func revokedElsewhere() async throws {
        let world = World()
        _ = try await world.verifier.verify(world.text)
        _ = try await world.store.revoke(
            world.key.id, in: world.workspace.id, at: world.clock.now, audit: Samples.entry)
        #expect(world.verifier.cached(world.text)?.verdict == .accepted(KeyHolder(KeyFacts(key: world.key))))
        world.clock.advance(by: .seconds(31))
        #expect(world.verifier.cached(world.text) == nil)
        #expect(try await world.verifier.verify(world.text) == .refused)
        #expect(world.hasher.verifications == 1)
    }

    @Test("a stale verdict about an unchanged key is renewed without another hash")
    func renewed() async throws {
        let world = World()
        _ = try await world.verifier.verify(world.text)
        world.clock.advance(by: .seconds(31))
        #expect(try await world.verifier.verify(world.text) == .accepted(KeyHolder(KeyFacts(key: world.key))))
        #expect(world.hasher.verifications == 1)
        #expect(world.store.finds == 2)
    }

    @Test("an invalidated key is refused at once")
    func invalidated() async throws {
        let world = World()
        _ = try await world.verifier.verify(world.text)
        _ = try await world.store.revoke(
            world.key.id, in: world.workspace.id, at: world.clock.now, audit: Samples.entry)
        world.verifier.invalidate(prefix: world.key.prefix)
        #expect(world.verifier.cached(world.text) == nil)
        #expect(try await world.verifier.verify(world.text) == .refused)
    }

    @Test("a verification that ran while its key was invalidated is not remembered")
    func invalidatedWhileRunning() async throws {
        let gate = Gate()
        let world = World(hashGate: gate)
        async let early = world.verifier.verify(world.text)
        try await eventually("the hash began") { gate.waiting == 1 }
        _ = try await world.store.revoke(
            world.key.id, in: world.workspace.id, at: world.clock.now, audit: Samples.entry)
        world.verifier.invalidate(prefix: world.key.prefix)
        gate.open()
        _ = try await early
        #expect(world.verifier.cached(world.text) == nil)
        #expect(try await world.verifier.verify(world.text) == .refused)
    }

    @Test("who asks after an invalidation does not join a verification from before it", .timeLimit(.minutes(5)))
    func asksAfterInvalidation() async throws {
        let gate = Gate()
        let world = World(hashGate: gate)
        async let early = world.verifier.verify(world.text)
        try await eventually("the hash began") { gate.waiting == 1 }
        _ = try await world.store.revoke(
            world.key.id, in: world.workspace.id, at: world.clock.now, audit: Samples.entry)
        world.verifier.invalidate(prefix: world.key.prefix)
        #expect(try await world.verifier.verify(world.text) == .refused)
        gate.open()
        _ = try await early
    }

    @Test("an expired key is refused, also when its verdict was fresh a moment ago")
    func expires() async throws {
        let clock = ManualClock()
        let world = World(expires: clock.now + .seconds(5))
        #expect(try await world.verifier.verify(world.text) == .accepted(KeyHolder(KeyFacts(key: world.key))))
        world.clock.advance(by: .seconds(5))
        #expect(world.verifier.cached(world.text) == nil)
        #expect(try await world.verifier.verify(world.text) == .refused)
        #expect(world.hasher.verifications == 1)
    }

    @Test("a full cache forgets refusals before it forgets accepted keys")
    func capacity() async throws {
        var limits = KeyVerifier.Limits()
        limits.capacity = 4
        let world = World(limits: limits)
        _ = try await world.verifier.verify(world.text)
        for digit in "0123456789" { _ = try await world.verifier.verify(world.wrong(digit)) }
        #expect(world.verifier.cached(world.text)?.verdict == .accepted(KeyHolder(KeyFacts(key: world.key))))
        let known = "0123456789".count { world.verifier.cached(world.wrong($0)) != nil }
        #expect(known < 4)
    }

    @Test("a caller that gives up leaves the others an answer that they can repeat")
    func firstCallerCancelled() async throws {
        let gate = Gate()
        let world = World(hashGate: gate)
        let first = Task { try await world.verifier.verify(world.text) }
        try await eventually("the hash began") { gate.waiting == 1 }
        first.cancel()
        gate.open()
        _ = await first.result
        #expect(try await world.verifier.verify(world.text) == .accepted(KeyHolder(KeyFacts(key: world.key))))
    }
}
