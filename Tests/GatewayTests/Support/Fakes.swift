import Inference
import Kernel
import Synchronization
import Tenancy

/// One workspace with one good key. The real stores have suites of their own.
struct OneKeyStore: KeyStore {
    /// Whether the store can be reached, and how often it was asked.
    final class Reach: Sendable {
        private let state = Mutex((isAway: false, asked: 0))
        private let silence = Mutex((isSilent: false, waiting: [CheckedContinuation<Void, Never>]()))

        var asked: Int { state.withLock { $0.asked } }
        func goAway() { state.withLock { $0.isAway = true } }

        /// From now on whoever asks gets no answer, also when the asker is cancelled.
        func fallSilent() { silence.withLock { $0.isSilent = true } }
        func speak() {
            let waiting = silence.withLock { silence in
                silence.isSilent = false
                defer { silence.waiting = [] }
                return silence.waiting
            }
            for asker in waiting { asker.resume() }
        }

        fileprivate func ask() async throws {
            await withCheckedContinuation { continuation in
                let isSilent = silence.withLock { silence in
                    if silence.isSilent { silence.waiting.append(continuation) }
                    return silence.isSilent
                }
                if !isSilent { continuation.resume() }
            }
            let isAway = state.withLock { state in
                state.asked += 1
                return state.isAway
            }
            if isAway { throw Problem(.storageUnavailable) }
        }
    }

    static let token = "vk_aaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

    let key: APIKey
    let reach = Reach()

    init() {
        key = APIKey(
            id: KeyID(ULID(high: 1, low: 1)), tenant: TenantID(ULID(high: 1, low: 2)),
            workspace: WorkspaceID(ULID(high: 1, low: 3)), name: "test", prefix: "aaaaaaaaaa", hash: Self.token,
            created: Instant(microseconds: 0))
    }

    func find(prefix: String) async throws -> APIKey? {
        try await reach.ask()
        return prefix == key.prefix ? key : nil
    }

    func insert(_ key: APIKey) async throws {}
    func insertFirst(_ key: APIKey) async throws -> Bool { false }
    func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<APIKey> {
        Page(rows: [key], limit: page.limit) { "\($0.id)" }
    }
    func revoke(_ id: KeyID, in workspace: WorkspaceID, at now: Instant) async throws -> APIKey? { nil }
    func countUsable(in workspace: WorkspaceID, at now: Instant) async throws -> Int { 1 }
}

struct PlainHasher: SecretHasher {
    func hash(_ secret: Secret) async throws -> String { secret.reveal() }
    func verify(_ secret: Secret, against hash: String) async throws -> Bool { secret.reveal() == hash }
}

struct PlainDigest: TokenDigest {
    func digest(of text: some StringProtocol) -> Digest256 {
        Digest256(words: (UInt64(bitPattern: Int64(text.hashValue)), 0, 0, 0))
    }
}
