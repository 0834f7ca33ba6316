package import Billing
package import Kernel
import Synchronization

/// What binds each key's spending, as this node knows it. An entry is dropped when something about money has changed
/// anywhere (`poll`), when a period or a credit in it begins or ends, and when nobody has been able to ask for too
/// long. All of that goes by the monotonic clock: a step of the wall clock changes nothing.
package final class SpendingCache: Sendable {
    package struct Settings: Sendable {
        /// What was read is good for so long after the database last said that nothing has changed.
        package var staleness = Duration.seconds(300)
        /// Keys; beyond it some are forgotten.
        package var most = 100_000
        /// Budgets, limits and credits of all of them together: some 300 bytes each.
        package var mostRows = 2_000_000
        package init() {}
    }

    private struct State: Sendable {
        private(set) var entries: [KeyID: KeyRules] = [:]
        private(set) var rows = 0
        /// A request asks twice in a row: a comparison costs less than a look-up.
        private var last: KeyRules?
        var loads: [KeyID: SharedLoad] = [:]
        var version: Int64 = -1
        var polled: Duration?

        mutating func put(_ entry: KeyRules) {
            remove(entry.spender.key)
            entries[entry.spender.key] = entry
            last = entry
            rows += entry.rows
        }

        mutating func remove(_ key: KeyID) {
            rows -= entries.removeValue(forKey: key)?.rows ?? 0
            last = nil
        }

        mutating func entry(of spender: Spender) -> KeyRules? {
            if let last, last.spender == spender { return last }
            guard let entry = entries[spender.key], entry.spender == spender else { return nil }
            last = entry
            return entry
        }

        mutating func removeAll() {
            entries.removeAll(keepingCapacity: true)
            rows = 0
            last = nil
        }
    }

    private let store: any SpendingStore
    private let clock: any Clock
    private let settings: Settings
    private let state = Mutex(State())

    package init(store: any SpendingStore, clock: any Clock, settings: Settings = Settings()) {
        self.store = store
        self.clock = clock
        self.settings = settings
    }

    /// From memory; nil when they must be read.
    func rules(for spender: Spender) -> KeyRules? {
        let uptime = clock.uptime
        return state.withLock { known(spender, in: &$0, at: uptime) }
    }

    private func known(_ spender: Spender, in state: inout State, at uptime: Duration) -> KeyRules? {
        guard let entry = state.entry(of: spender), entry.version == state.version,
            entry.until.map({ uptime < $0 }) ?? true,
            uptime - max(entry.read, state.polled ?? entry.read) < settings.staleness
        else { return nil }
        return entry
    }

    /// Those that ask for the same key at the same time share one read.
    /// - Parameter note: is told what was read, before anybody goes by it.
    /// - Throws: the store's `Problem`, or `CancellationError`.
    func load(_ spender: Spender, _ note: (KeyRules) -> Void = { _ in }) async throws -> KeyRules {
        while true {
            if let known = rules(for: spender) { return known }
            let (load, isFirst) = state.withLock { state in
                if let load = state.loads[spender.key] { return (load, false) }
                let load = SharedLoad()
                state.loads[spender.key] = load
                return (load, true)
            }
            if isFirst { return try await read(spender, for: load, note) }
            switch try await load.result(clock) {
            case .success(let rules) where rules.spender == spender: return rules
            case .failure(let problem): throw problem
            case .success, nil: continue
            }
        }
    }

    private func read(
        _ spender: Spender, for load: SharedLoad, _ note: (KeyRules) -> Void
    ) async throws -> KeyRules {
        let before = state.withLock { $0.version }
        let asked = clock.uptime
        do {
            let (rules, now) = try await store.rules(for: spender)
            let entry = KeyRules(
                spender: spender, rules: rules, version: before, read: asked,
                until: rules.until.map { asked + max(.zero, $0 - now) })
            note(entry)
            let bells = state.withLock { state in
                makeRoom(for: entry, &state)
                state.put(entry)
                state.loads[spender.key] = nil
                return load.end(.success(entry))
            }
            for bell in bells { bell.ring() }
            return entry
        } catch {
            let bells = state.withLock { state in
                state.loads[spender.key] = nil
                return load.end((error as? Problem).map { .failure($0) })
            }
            for bell in bells { bell.ring() }
            throw error
        }
    }

    private func makeRoom(for entry: KeyRules, _ state: inout State) {
        while !state.entries.isEmpty,
            state.entries.count >= settings.most || state.rows + entry.rows > settings.mostRows
        {
            for key in Array(state.entries.keys.prefix(max(1, state.entries.count / 16))) { state.remove(key) }
        }
    }

    /// The rules name a period that is over.
    func forget(_ key: KeyID) { state.withLock { $0.remove(key) } }

    /// Asks whether anything about money has changed, and drops what was read before.
    /// - Returns: whether it has.
    package func poll() async throws -> Bool {
        let asked = clock.uptime
        let version = try await store.version()
        return state.withLock { state in
            state.polled = max(asked, state.polled ?? asked)
            guard version > state.version else { return false }
            state.version = version
            state.removeAll()
            return true
        }
    }

    /// How many keys' rules are in memory.
    package var count: Int { state.withLock { $0.entries.count } }
}

/// One read that several wait for.
private final class SharedLoad: Sendable {
    private struct State: Sendable {
        var bells: [AdmissionBell] = []
        var isOver = false
        var result: Result<KeyRules, Problem>?
    }

    private let state = Mutex(State())

    /// - Parameter result: nil when the one who read gave up: somebody else must.
    /// - Returns: whom to tell.
    func end(_ result: Result<KeyRules, Problem>?) -> [AdmissionBell] {
        state.withLock { state in
            state.isOver = true
            state.result = result
            defer { state.bells = [] }
            return state.bells
        }
    }

    func result(_ clock: any Clock) async throws -> Result<KeyRules, Problem>? {
        let bell = AdmissionBell()
        while true {
            let isOver = state.withLock { state in
                if !state.isOver { state.bells.append(bell) }
                return state.isOver
            }
            if isOver { return state.withLock { $0.result } }
            try await bell.wait(atMost: .seconds(1), clock)
            state.withLock { state in state.bells.removeAll { $0 === bell } }
        }
    }
}
