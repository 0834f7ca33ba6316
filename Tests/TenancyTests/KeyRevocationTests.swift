import Kernel
import Tenancy
import TestKit
import Testing

/// What the verifier knows in memory, and what ends it.
@Suite struct KeyRevocationTests {
    private struct World {
        let clock = ManualClock()
        let samples: Samples
        let workspace: Workspace
        let tokens: [KeyToken]
        let keys: [APIKey]
        let store: MemoryKeyStore
        let hasher: TransparentHasher
        let verifier: KeyVerifier

        /// Two keys of one workspace; the second one is a user's.
        init(hashGate: Gate = Gate(isOpen: true), limits: KeyVerifier.Limits = KeyVerifier.Limits()) {
            samples = Samples(clock: clock)
            workspace = samples.workspace()
            tokens = [9, 10].map { KeyToken.make(random: SeededRandom(seed: $0)) }
            let first = samples.key(for: tokens[0], in: workspace)
            let second = APIKey(
                id: samples.ids.next(), tenant: workspace.tenant, workspace: workspace.id, user: samples.ids.next(),
                name: "second", prefix: tokens[1].prefix, hash: "plain:" + tokens[1].text.reveal(),
                created: clock.now)
            keys = [first, second]
            store = MemoryKeyStore([first, second])
            hasher = TransparentHasher(gate: hashGate)
            verifier = KeyVerifier(store: store, hasher: hasher, digests: PlainDigest(), clock: clock, limits: limits)
        }

        var text: String { tokens[0].text.reveal() }

        func isKnown(_ number: Int = 0) -> Bool { verifier.cached(tokens[number].text.reveal()) != nil }

        func learn() async throws { _ = try await verifier.verify(text) }
    }

    @Test("a key, its workspace, its tenant each end what is known about it; a stranger's do not")
    func subjects() async throws {
        let world = World()
        let key = world.keys[0]
        let own: [Revocation.Subject] = [.key(key.id), .workspace(key.workspace), .tenant(key.tenant)]
        for subject in own {
            try await world.learn()
            #expect(world.isKnown())
            world.verifier.forget([subject])
            #expect(!world.isKnown(), "\(subject)")
        }
        try await world.learn()
        let ids = world.samples.ids
        world.verifier.forget([
            .key(ids.next()), .workspace(ids.next()), .tenant(ids.next()), .user(ids.next()), .session(ids.next()),
            .providers,
        ])
        #expect(world.isKnown())
        world.verifier.forgetAll()
        #expect(!world.isKnown())
        // The row and the secret are as they were, so the row is read and nothing is hashed.
        #expect(world.hasher.verifications == 1)
        let verdict = try await world.verifier.verify(world.text)
        #expect(verdict == .accepted(KeyHolder(KeyFacts(key: key))))
        #expect(world.hasher.verifications == 1)
    }

    @Test("a user's revocation ends what is known about the user's keys, refusals too")
    func user() async throws {
        let world = World()
        try await world.learn()
        // Refused: the store does not know the user as active.
        _ = try await world.verifier.verify(world.tokens[1].text.reveal())
        #expect(world.isKnown(0) && world.isKnown(1))
        world.verifier.forget([.user(try #require(world.keys[1].user))])
        #expect(world.isKnown(0) && !world.isKnown(1))
    }

    @Test("a check under way is remembered unless a revocation touches its key", arguments: [true, false])
    func underWay(touches: Bool) async throws {
        let gate = Gate()
        let world = World(hashGate: gate)
        async let early = world.verifier.verify(world.text)
        try await eventually("the hash began") { gate.waiting == 1 }
        for _ in 0..<10 { world.verifier.forget([.key(world.samples.ids.next())]) }
        if touches { world.verifier.forget([.workspace(world.workspace.id)]) }
        gate.open()
        _ = try await early
        #expect(world.isKnown() == !touches)
    }

    @Test("when more revocations passed than are remembered, a check under way counts as touched")
    func tooMany() async throws {
        let gate = Gate()
        let world = World(hashGate: gate)
        async let early = world.verifier.verify(world.text)
        try await eventually("the hash began") { gate.waiting == 1 }
        for _ in 0..<100 { world.verifier.forget([.key(world.samples.ids.next())]) }
        gate.open()
        _ = try await early
        #expect(!world.isKnown())
    }

    // MARK: The feed

    @Test("where revocations were not read for too long, nothing in memory counts, until they are read again")
    func blind() async throws {
        var limits = KeyVerifier.Limits()
        limits.staleness = .seconds(60)
        limits.freshness = .seconds(3600)
        let world = World(limits: limits)
        world.verifier.feedWasRead(at: world.clock.uptime)
        try await world.learn()
        world.clock.advance(by: .seconds(59))
        #expect(world.isKnown())
        world.clock.advance(by: .seconds(1))
        #expect(!world.isKnown())
        #expect(world.verifier.giveUpWaiting(for: world.text) == nil)
        world.verifier.feedWasRead(at: world.clock.uptime)
        #expect(world.isKnown())
        // An older reading that ends late takes nothing back.
        world.verifier.feedWasRead(at: .zero)
        #expect(world.isKnown())
    }

    // MARK: Throttling

    @Test("an address that guessed too often is refused before a hash, and a proven key is not")
    func throttled() async throws {
        let world = World()
        let address = try #require(IPAddress("192.0.2.1"))
        _ = try await world.verifier.verify(world.text, from: address)
        for number in 0..<20 {
            let wrong = "vk_\(world.tokens[0].prefix)_" + String(repeating: "0", count: 38) + "\(10 + number)"
            let verdict = try await world.verifier.verify(wrong, from: address)
            #expect(verdict == .refused)
        }
        let hashes = world.hasher.verifications
        let other = world.tokens[1].text.reveal()
        let refusal = await #expect(throws: Problem.self) { try await world.verifier.verify(other, from: address) }
        #expect(refusal?.code == .rateLimited)
        #expect(world.hasher.verifications == hashes)
        // No longer fresh, but proven before.
        world.clock.advance(by: .seconds(31))
        for _ in 0..<20 { world.verifier.failures.note(from: address) }
        let verdict = try await world.verifier.verify(world.text, from: address)
        #expect(verdict == .accepted(KeyHolder(KeyFacts(key: world.keys[0]))))
    }

    @Test("guesses at one moment are hashed no oftener than guesses one after the other", .timeLimit(.minutes(5)))
    func parallelGuesses() async throws {
        let gate = Gate()
        let world = World(hashGate: gate)
        let address = try #require(IPAddress("192.0.2.1"))
        let codes = try await withThrowingTaskGroup(of: ErrorCode?.self) { group in
            for number in 0..<100 {
                let wrong = "vk_\(world.tokens[0].prefix)_" + String(repeating: "0", count: 37) + "\(100 + number)"
                group.addTask {
                    do {
                        _ = try await world.verifier.verify(wrong, from: address)
                        return nil
                    } catch let problem as Problem {
                        return problem.code
                    }
                }
            }
            var codes: [ErrorCode?] = []
            // Those that found no place: the others wait for the gate.
            while codes.count < 80, let code = try await group.next() { codes.append(code) }
            #expect(codes.allSatisfy { $0 == .overloaded })
            gate.open()
            while let code = try await group.next() { codes.append(code) }
            return codes
        }
        #expect(codes.count { $0 == nil } == 20)
        #expect(world.hasher.verifications == 20)
        #expect(world.verifier.failures.failures == 20)
        #expect(world.verifier.failures.refusal(for: address)?.code == .rateLimited)
        // Good ones take nothing, however many there are.
        let other = try #require(IPAddress("192.0.2.2"))
        for _ in 0..<30 {
            world.verifier.forgetAll()
            _ = try await world.verifier.verify(world.tokens[1].text.reveal(), from: other)
        }
        #expect(world.verifier.failures.refusal(for: other) == nil)
    }

    @Test("a hundred requests with one good key that nobody knows yet are no guesses", .timeLimit(.minutes(5)))
    func coldKey() async throws {
        let gate = Gate()
        let world = World(hashGate: gate)
        let address = try #require(IPAddress("192.0.2.1"))
        try await withThrowingTaskGroup(of: KeyVerifier.Verdict.self) { group in
            for _ in 0..<100 { group.addTask { try await world.verifier.verify(world.text, from: address) } }
            try await eventually("the hash began") { gate.waiting > 0 }
            gate.open()
            for try await verdict in group { #expect(verdict != .refused) }
        }
        #expect(world.hasher.verifications == 1)
        #expect(world.verifier.failures.failures == 0)
    }

    // MARK: Uses

    @Test("a key's last use is told once, also when its verdict was forgotten meanwhile")
    func uses() async throws {
        let world = World()
        let key = world.keys[0].id
        _ = try await world.verifier.verify(world.text, from: nil)
        #expect(world.verifier.takeUses() == [key: world.clock.now])
        #expect(world.verifier.takeUses().isEmpty)
        world.clock.advance(by: .seconds(5))
        #expect(world.isKnown())
        let used = world.clock.now
        world.clock.advance(by: .seconds(5))
        world.verifier.forgetAll()
        #expect(world.verifier.takeUses() == [key: used])
        #expect(world.verifier.takeUses().isEmpty)
    }

    @Test("what could not be written is told again, unless there was a later use")
    func putBack() async throws {
        let world = World()
        let key = world.keys[0].id
        _ = try await world.verifier.verify(world.text, from: nil)
        let uses = world.verifier.takeUses()
        world.verifier.putBack(uses)
        #expect(world.verifier.takeUses() == uses)
        world.verifier.putBack(uses)
        world.clock.advance(by: .seconds(5))
        #expect(world.isKnown())
        #expect(world.verifier.takeUses() == [key: world.clock.now])
    }

    @Test("a background renewal and a wrong secret are no use")
    func noUse() async throws {
        let world = World()
        try await world.learn()
        _ = try await world.verifier.verify(
            "vk_\(world.tokens[0].prefix)_" + String(repeating: "0", count: 40), from: nil)
        #expect(world.verifier.takeUses().isEmpty)
    }
}
