import Kernel
import Synchronization
import Tenancy
import TestKit
import Testing

/// Keys in use go on while the store is away, for a stated time.
@Suite struct StoreAwayTests {
    /// A store that answers, fails, or is silent until its gate opens.
    private final class FailingStore: KeyLookup {
        let rows: MemoryKeyStore
        let failure = Mutex<(any Error)?>(nil)
        let silence = Mutex<Gate?>(nil)
        private let tries = Mutex(0)
        private let delay = Mutex<(duration: Duration, clock: ManualClock)?>(nil)

        init(_ rows: MemoryKeyStore) { self.rows = rows }

        /// How often a row was asked for.
        var asked: Int { tries.withLock { $0 } }

        func fail(_ error: (any Error)?) { failure.withLock { $0 = error } }
        func failAfter(_ duration: Duration, on clock: ManualClock) { delay.withLock { $0 = (duration, clock) } }
        func hold(at gate: Gate?) { silence.withLock { $0 = gate } }

        func find(prefix: String) async throws -> KeyFacts? {
            tries.withLock { $0 += 1 }
            if let gate = silence.withLock({ $0 }) { await gate.pass() }
            if let delay = delay.withLock({ $0 }) { try await delay.clock.sleep(for: delay.duration) }
            if let error = failure.withLock({ $0 }) { throw error }
            return try await rows.find(prefix: prefix)
        }
    }

    private struct World {
        let clock = ManualClock()
        let workspace: Workspace
        let token: KeyToken
        let other: KeyToken
        let key: APIKey
        let store: FailingStore
        let hasher = TransparentHasher(gate: Gate(isOpen: true))
        let verifier: KeyVerifier

        init(expires: Duration? = nil) {
            let samples = Samples(clock: clock)
            workspace = samples.workspace()
            token = KeyToken.make(random: SeededRandom(seed: 9))
            other = KeyToken.make(random: SeededRandom(seed: 10))
            key = samples.key(for: token, in: workspace, expires: expires.map { [clock] in clock.now + $0 })
            let second = samples.key(for: other, in: workspace, expires: nil)
            store = FailingStore(MemoryKeyStore([key, second]))
            verifier = KeyVerifier(store: store, hasher: hasher, digests: PlainDigest(), clock: clock)
        }

        var text: String { token.text.reveal() }
        var accepted: KeyVerifier.Verdict { .accepted(KeyHolder(KeyFacts(key: key))) }

        /// What a request meets, and whether it had to wait for the store.
        func ask(_ text: String) async throws -> (verdict: KeyVerifier.Verdict, waited: Bool) {
            if let known = verifier.cached(text) {
                // In the gateway nobody waits for this one.
                if known.wantsRenewal { _ = try? await verifier.verify(text) }
                return (known.verdict, false)
            }
            return (try await verifier.verify(text), true)
        }
    }

    static let away = [Problem(.storageUnavailable), Problem(.overloaded, retryAfter: 1)]

    @Test("a key in use is accepted without waiting while the store is away, and the store is tried once a second")
    func minuteAway() async throws {
        let world = World()
        _ = try await world.ask(world.text)
        world.store.fail(Problem(.storageUnavailable))
        let before = world.store.asked
        for _ in 0..<1200 {
            world.clock.advance(by: .milliseconds(100))
            let (verdict, waited) = try await world.ask(world.text)
            #expect(verdict == world.accepted)
            #expect(!waited)
        }
        let tries = world.store.asked - before
        // 120 seconds, of which the first 20 need no look.
        #expect(tries > 90)
        #expect(tries <= 101)
        #expect(world.hasher.verifications == 1)
    }

    @Test("a key that was idle meanwhile is accepted when the store turns out to be away", arguments: away)
    func idleKey(problem: Problem) async throws {
        let world = World()
        _ = try await world.ask(world.text)
        world.store.fail(problem)
        world.clock.advance(by: .seconds(200))
        let first = try await world.ask(world.text)
        #expect(first.verdict == world.accepted)
        #expect(first.waited)
        let second = try await world.ask(world.text)
        #expect(second.verdict == world.accepted)
        #expect(!second.waited)
    }

    @Test("one request in ten seconds waits for a store that is away once, and not for long")
    func sparseTraffic() async throws {
        let world = World()
        _ = try await world.ask(world.text)
        world.store.fail(Problem(.storageUnavailable))
        world.store.failAfter(.seconds(5), on: world.clock)
        world.clock.advance(by: .seconds(31))
        var waits: [Duration] = []
        for _ in 0..<10 {
            let asked = world.clock.uptime
            if let known = world.verifier.cached(world.text) {
                #expect(known.verdict == world.accepted)
            } else {
                async let late = world.verifier.verify(world.text)
                try await eventually("the store is asked") { world.clock.sleepers == 1 }
                world.clock.advance(by: world.verifier.wait)
                // As the gateway does: it goes on with what was proven, and the look-up with its waiting.
                #expect(world.verifier.giveUpWaiting(for: world.text) == world.accepted)
                waits.append(world.clock.uptime - asked)
                world.clock.advance(by: .seconds(5))
                #expect(try await late == world.accepted)
            }
            world.clock.advance(by: .seconds(10))
        }
        #expect(waits == [.milliseconds(250)])
    }

    @Test("a verdict never holds longer than its limit after the row was last read")
    func staleness() async throws {
        let world = World()
        _ = try await world.ask(world.text)
        world.store.fail(Problem(.storageUnavailable))
        for _ in 0..<299 {
            world.clock.advance(by: .seconds(1))
            #expect(try await world.ask(world.text).verdict == world.accepted)
        }
        world.clock.advance(by: .seconds(1))
        for _ in 0..<3 {
            #expect(world.verifier.cached(world.text) == nil)
            let problem = await #expect(throws: Problem.self) { try await world.verifier.verify(world.text) }
            #expect(problem?.code == .storageUnavailable)
        }
        // And again by itself when the store is back.
        world.store.fail(nil)
        #expect(try await world.ask(world.text).verdict == world.accepted)
        #expect(world.hasher.verifications == 1)
    }

    @Test("who was renewed in between counts from then")
    func renewedInBetween() async throws {
        let world = World()
        _ = try await world.ask(world.text)
        world.clock.advance(by: .seconds(25))
        _ = try await world.ask(world.text)
        world.store.fail(Problem(.storageUnavailable))
        world.clock.advance(by: .seconds(299))
        #expect(try await world.ask(world.text).verdict == world.accepted)
        world.clock.advance(by: .seconds(1))
        await #expect(throws: Problem.self) { try await world.ask(world.text) }
    }

    @Test("only the store's absence lets a verdict hold: another fault of its does not")
    func otherFault() async throws {
        let world = World()
        _ = try await world.ask(world.text)
        world.store.fail(Problem(.internalError))
        world.clock.advance(by: .seconds(31))
        for _ in 0..<3 { await #expect(throws: Problem.self) { try await world.ask(world.text) } }
    }

    @Test("refused and unknown tokens are never accepted while the store is away")
    func refused() async throws {
        let world = World()
        let wrong = "vk_\(world.token.prefix)_" + String(repeating: "0", count: 40)
        let stranger = KeyToken.make(random: SeededRandom(seed: 77)).text.reveal()
        _ = try await world.ask(world.text)
        #expect(try await world.ask(wrong).verdict == .refused)
        #expect(try await world.ask(stranger).verdict == .refused)
        world.store.fail(Problem(.storageUnavailable))
        for _ in 0..<60 {
            world.clock.advance(by: .seconds(1))
            #expect(try await world.ask(world.text).verdict == world.accepted)
            for text in [wrong, stranger, world.other.text.reveal()] {
                let verdict = try? await world.ask(text).verdict
                #expect(verdict == nil || verdict == .refused)
            }
        }
    }

    /// The store is away, and the verdict about the key holds longer than it would otherwise.
    private func withHeldVerdict() async throws -> World {
        let world = World()
        _ = try await world.ask(world.text)
        world.store.fail(Problem(.storageUnavailable))
        world.clock.advance(by: .seconds(40))
        #expect(try await world.ask(world.text).verdict == world.accepted)
        return world
    }

    @Test("a revocation in this process ends a held verdict at once")
    func revokedHere() async throws {
        let world = try await withHeldVerdict()
        world.verifier.invalidate(prefix: world.key.prefix)
        #expect(world.verifier.cached(world.text) == nil)
        await #expect(throws: Problem.self) { try await world.ask(world.text) }
    }

    @Test("a revocation by another process ends a held verdict with the first answer of the store")
    func revokedElsewhere() async throws {
        let world = try await withHeldVerdict()
        _ = try await world.store.rows.revoke(
            world.key.id, in: world.workspace.id, at: world.clock.now, audit: Samples.entry)
        world.store.fail(nil)
        world.clock.advance(by: .seconds(1))
        // The one that has the row read again is served by what was known.
        _ = try await world.ask(world.text)
        #expect(try await world.ask(world.text).verdict == .refused)
        world.store.fail(Problem(.storageUnavailable))
        world.clock.advance(by: .seconds(11))
        await #expect(throws: Problem.self) { try await world.ask(world.text) }
    }

    @Test("a revoked key stays refused, also when another key was invalidated while its row was read")
    func revokedBesideAnother() async throws {
        let world = World()
        _ = try await world.ask(world.text)
        _ = try await world.store.rows.revoke(
            world.key.id, in: world.workspace.id, at: world.clock.now, audit: Samples.entry)
        world.clock.advance(by: .seconds(31))
        let gate = Gate()
        world.store.hold(at: gate)
        async let verdict = world.verifier.verify(world.text)
        try await eventually("the row was asked for") { gate.waiting == 1 }
        world.verifier.invalidate(prefix: world.other.prefix)
        gate.open()
        #expect(try await verdict == .refused)
        world.store.hold(at: nil)
        world.store.fail(Problem(.storageUnavailable))
        #expect(try await world.verifier.verify(world.text) == .refused)
        world.clock.advance(by: .seconds(11))
        await #expect(throws: Problem.self) { try await world.verifier.verify(world.text) }
        #expect(world.verifier.cached(world.text) == nil)
    }

    @Test("a revoked key whose tenant was touched while its row was read is known as nothing at all")
    func revokedMeanwhile() async throws {
        let world = World()
        _ = try await world.ask(world.text)
        _ = try await world.store.rows.revoke(
            world.key.id, in: world.workspace.id, at: world.clock.now, audit: Samples.entry)
        world.clock.advance(by: .seconds(31))
        let gate = Gate()
        world.store.hold(at: gate)
        async let verdict = world.verifier.verify(world.text)
        try await eventually("the row was asked for") { gate.waiting == 1 }
        world.verifier.forget([.tenant(world.workspace.tenant)])
        gate.open()
        #expect(try await verdict == .refused)
        world.store.hold(at: nil)
        world.store.fail(Problem(.storageUnavailable))
        await #expect(throws: Problem.self) { try await world.verifier.verify(world.text) }
        #expect(world.verifier.cached(world.text) == nil)
    }

    @Test("an expired key is not held")
    func expired() async throws {
        let world = World(expires: .seconds(60))
        _ = try await world.ask(world.text)
        world.store.fail(Problem(.storageUnavailable))
        world.clock.advance(by: .seconds(59))
        #expect(try await world.ask(world.text).verdict == world.accepted)
        world.clock.advance(by: .seconds(1))
        #expect(world.verifier.cached(world.text) == nil)
        await #expect(throws: Problem.self) { try await world.ask(world.text) }
    }

    @Test("a store that is silent instead of failing makes nobody wait whose key was in use")
    func silent() async throws {
        let world = World()
        let second = world.other.text.reveal()
        _ = try await world.ask(world.text)
        _ = try await world.ask(second)
        world.clock.advance(by: .seconds(21))
        let gate = Gate()
        world.store.hold(at: gate)
        let known = try #require(world.verifier.cached(world.text))
        #expect(known.wantsRenewal)
        async let renewal = world.verifier.verify(world.text)
        try await eventually("the row was asked for") { gate.waiting == 1 }
        for _ in 0..<60 {
            world.clock.advance(by: .seconds(1))
            let held = try #require(world.verifier.cached(world.text))
            #expect(held.verdict == world.accepted)
            #expect(!held.wantsRenewal)
            #expect(world.verifier.cached(second)?.verdict != nil)
        }
        // One was asked for, and nobody else asks as long as that one is unanswered.
        #expect(world.store.asked == 3)
        world.store.hold(at: nil)
        gate.open()
        #expect(try await renewal == world.accepted)
        // The store answers again, so stale verdicts are looked up; also the one that it was asked for a minute ago.
        #expect(world.verifier.cached(second) == nil)
        #expect(world.verifier.cached(world.text) == nil)
        #expect(try await world.ask(world.text).verdict == world.accepted)
    }

    @Test("a key in use is renewed before its verdict is stale, by one caller")
    func renewedAhead() async throws {
        let world = World()
        _ = try await world.ask(world.text)
        world.clock.advance(by: .seconds(19))
        #expect(world.verifier.cached(world.text)?.wantsRenewal == false)
        world.clock.advance(by: .seconds(1))
        #expect(world.verifier.cached(world.text)?.wantsRenewal == true)
        #expect(world.verifier.cached(world.text)?.wantsRenewal == false)
        _ = try await world.verifier.verify(world.text)
        world.clock.advance(by: .seconds(19))
        #expect(world.verifier.cached(world.text)?.wantsRenewal == false)
        #expect(world.hasher.verifications == 1)
    }
}
