import Kernel
import Synchronization
import Tenancy

/// Keys that a test may change while the gateway runs.
final class KnownKeys: KeyLookup {
    static let tenant = TenantID(ULID(high: 3, low: 1))
    static let workspace = WorkspaceID(ULID(high: 3, low: 2))
    static let user = UserID(ULID(high: 3, low: 3))

    private let facts: Mutex<[String: KeyFacts]>
    private let finds = Atomic<Int>(0)
    private let hold = Mutex((isOn: false, waiting: [CheckedContinuation<Void, Never>]()))

    init(_ facts: KeyFacts...) {
        self.facts = Mutex(Dictionary(facts.map { ($0.key.prefix, $0) }) { first, _ in first })
    }

    var asked: Int { finds.load(ordering: .relaxed) }

    func find(prefix: String) async throws -> KeyFacts? {
        finds.wrappingAdd(1, ordering: .relaxed)
        let found = facts.withLock { $0[prefix] }
        await withCheckedContinuation { continuation in
            let isHeld = hold.withLock { hold in
                if hold.isOn { hold.waiting.append(continuation) }
                return hold.isOn
            }
            if !isHeld { continuation.resume() }
        }
        return found
    }

    /// From now on whoever asks gets what was true then, and later.
    func holdAnswers() { hold.withLock { $0.isOn = true } }
    var held: Int { hold.withLock { $0.waiting.count } }
    func letAnswersGo() {
        let waiting = hold.withLock { hold in
            defer { hold = (false, []) }
            return hold.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func replace(_ facts: KeyFacts) { self.facts.withLock { $0[facts.key.prefix] = facts } }

    /// The token of `facts(number)`.
    static func token(_ number: Int) -> String { "vk_\(prefix(number))_" + String(repeating: "b", count: 40) }

    /// The same prefix with another secret.
    static func wrong(_ number: Int, _ attempt: Int) -> String {
        let digits = String(attempt)
        return "vk_\(prefix(number))_" + String(repeating: "0", count: 40 - digits.count) + digits
    }

    private static func prefix(_ number: Int) -> String { "aaaaaaaaa\(number)" }

    static func facts(
        _ number: Int = 0, user: UserID? = nil, scopes: KeyScopes = .usual,
        environment: ModelEnvironment = .production, addresses: [AddressRange] = [], revoked: Bool = false,
        workspace standing: Standing = .active, rules: [AccessRule] = []
    ) -> KeyFacts {
        let key = APIKey(
            id: KeyID(ULID(high: 4, low: UInt64(number))), tenant: tenant, workspace: workspace, user: user,
            name: "key", prefix: prefix(number), hash: token(number), scopes: scopes, environment: environment,
            addresses: addresses, created: Instant(microseconds: 0), revoked: revoked ? Instant(microseconds: 1) : nil)
        return KeyFacts(key: key, workspace: standing, user: user.map { _ in .active }, rules: rules)
    }
}

/// The list of revocations, in memory.
final class RevocationList: RevocationStore {
    private struct State {
        var list: [Revocation] = []
        var pruned: Int64 = 0
        var isAway = false
    }

    private let state = Mutex(State())

    func add(_ subject: Revocation.Subject) {
        state.withLock { state in
            state.list.append(Revocation(sequence: state.pruned + Int64(state.list.count) + 1, subject: subject))
        }
    }

    /// Drops all that there is.
    func prune() {
        state.withLock { state in
            state.pruned += Int64(state.list.count)
            state.list = []
        }
    }

    func setAway(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }

    func head() async throws -> Int64 {
        try state.withLock { state in
            if state.isAway { throw Problem(.storageUnavailable) }
            return state.pruned + Int64(state.list.count)
        }
    }

    func after(_ sequence: Int64, limit: Int) async throws -> [Revocation]? {
        try state.withLock { state in
            if state.isAway { throw Problem(.storageUnavailable) }
            guard sequence >= state.pruned else { return nil }
            return Array(state.list.drop { $0.sequence <= sequence }.prefix(limit))
        }
    }

    func prune(before time: Instant) async throws { prune() }
}
