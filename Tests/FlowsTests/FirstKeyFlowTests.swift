import Flows
import Kernel
import Synchronization
import Tenancy
import TestKit
import Testing

@Suite struct FirstKeyFlowTests {
    /// A file in memory that can die with the process right after it was written.
    final class Place: FirstKeyPlace {
        struct Killed: Error {}

        private let state = Mutex<(text: String?, diesAfterWriting: Bool)>((nil, false))

        var text: String? {
            get { state.withLock { $0.text } }
            set { state.withLock { $0.text = newValue } }
        }

        func dieAfterWriting() { state.withLock { $0.diesAfterWriting = true } }

        func read() throws -> String? { text }

        func remove() throws { text = nil }

        func write(_ token: Secret) throws {
            try state.withLock { state in
                state.text = token.reveal()
                guard state.diesAfterWriting else { return }
                state.diesAfterWriting = false
                throw Killed()
            }
        }
    }

    let place = Place()
    let keys = MemoryKeyStore()
    let clock = ManualClock()
    let workspace: Workspace
    let flow: FirstKeyFlow
    let verifier: KeyVerifier

    init() {
        let samples = Samples(clock: clock)
        workspace = samples.workspace()
        flow = FirstKeyFlow(
            workspace: workspace, keys: keys, hasher: TransparentHasher(), place: place, clock: clock,
            ids: samples.ids, random: SeededRandom(seed: 3))
        verifier = KeyVerifier(store: keys, hasher: TransparentHasher(), digests: PlainDigest(), clock: clock)
    }

    private func fileWorks() async throws -> Bool {
        let text = try #require(place.text)
        return try await verifier.verify(text) != .refused
    }

    @Test("a fresh installation gets one key, and later starts leave it")
    func fresh() async throws {
        guard case .created(let token) = try await flow.run() else {
            Issue.record("no key was made")
            return
        }
        #expect(place.text == token.text.reveal())
        #expect(try await fileWorks())
        guard case .kept = try await flow.run() else {
            Issue.record("the second start changed something")
            return
        }
        #expect(try await keys.countUsable(in: workspace.id, at: clock.now) == 1)
    }

    @Test("a kill between file and row is healed by the next start: the key that was handed out works")
    func killedBetween() async throws {
        place.dieAfterWriting()
        await #expect(throws: Place.Killed.self) { try await flow.run() }
        let handedOut = place.text
        #expect(try await keys.countUsable(in: workspace.id, at: clock.now) == 0)
        guard case .healed = try await flow.run() else {
            Issue.record("the key was not healed")
            return
        }
        #expect(place.text == handedOut)
        #expect(try await fileWorks())
    }

    @Test("a first key that was revoked stays revoked")
    func revoked() async throws {
        _ = try await flow.run()
        let key = try #require(try await keys.list(in: workspace.id, page: PageRequest()).data.first)
        _ = try await keys.revoke(key.id, in: workspace.id, at: clock.now, audit: Samples.entry)
        guard case .kept = try await flow.run() else {
            Issue.record("the start brought a revoked key back")
            return
        }
        #expect(try await fileWorks() == false)
    }

    @Test("where keys were made in another way, none is made")
    func otherKeys() async throws {
        let samples = Samples(seed: 9, clock: clock)
        try await keys.insert(
            samples.key(for: KeyToken.make(random: SeededRandom(seed: 9)), in: workspace), audit: Samples.entry)
        guard case .kept = try await flow.run() else {
            Issue.record("a key was made although there is one")
            return
        }
        #expect(place.text == nil)
    }

    /// Another node makes its key right after this one has counted none.
    private struct LateCount: FirstKeyStore {
        let rows: MemoryKeyStore
        let other: APIKey

        func insert(_ key: APIKey, audit: AuditEntry) async throws { try await rows.insert(key, audit: audit) }
        func insertFirst(_ key: APIKey, audit: AuditEntry) async throws -> Bool {
            try await rows.insertFirst(key, audit: audit)
        }
        func find(prefix: String) async throws -> KeyFacts? { try await rows.find(prefix: prefix) }
        func countUsable(in workspace: WorkspaceID, at now: Instant) async throws -> Int {
            let count = try await rows.countUsable(in: workspace, at: now)
            try await rows.insert(other, audit: Samples.entry)
            return count
        }
    }

    @Test("of two nodes that start at once on an empty database one makes the key, and the other keeps no file")
    func twoNodes() async throws {
        let samples = Samples(seed: 9, clock: clock)
        let other = samples.key(for: KeyToken.make(random: SeededRandom(seed: 9)), in: workspace)
        let slower = FirstKeyFlow(
            workspace: workspace, keys: LateCount(rows: keys, other: other), hasher: TransparentHasher(), place: place,
            clock: clock, ids: samples.ids, random: SeededRandom(seed: 4))
        guard case .kept = try await slower.run() else {
            Issue.record("a second first key was made")
            return
        }
        #expect(place.text == nil)
        #expect(try await keys.list(in: workspace.id, page: PageRequest()).data == [other])
    }

    @Test("a file with something else in it is left alone and said")
    func foreignFile() async throws {
        place.text = "my shopping list"
        let problem = await problem { try await flow.run() }
        #expect(problem?.code == .configurationInvalid)
        #expect(place.text == "my shopping list")
    }
}
