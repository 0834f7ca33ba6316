import Inference
import Kernel
import Synchronization
import Tenancy

/// One workspace with one good key, and a neighbour with another. The real stores have suites of their own.
struct OneKeyStore: KeyLookup {
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
    static let neighboursToken = "vk_cccccccccc_dddddddddddddddddddddddddddddddddddddddd"

    let key: APIKey
    private let neighboursKey: APIKey
    let reach = Reach()

    init() {
        key = APIKey(
            id: KeyID(ULID(high: 1, low: 1)), tenant: TenantID(ULID(high: 1, low: 2)),
            workspace: WorkspaceID(ULID(high: 1, low: 3)), name: "test", prefix: "aaaaaaaaaa", hash: Self.token,
            created: Instant(microseconds: 0))
        neighboursKey = APIKey(
            id: KeyID(ULID(high: 1, low: 4)), tenant: TenantID(ULID(high: 1, low: 5)),
            workspace: WorkspaceID(ULID(high: 1, low: 6)), name: "neighbour", prefix: "cccccccccc",
            hash: Self.neighboursToken, created: Instant(microseconds: 0))
    }

    func find(prefix: String) async throws -> KeyFacts? {
        try await reach.ask()
        return [key, neighboursKey].first { $0.prefix == prefix }.map { KeyFacts(key: $0) }
    }
}

struct PlainHasher: SecretHasher {
    func hash(_ secret: Secret) async throws -> String { secret.reveal() }
    func verify(_ secret: Secret, against hash: String) async throws -> Bool { secret.reveal() == hash }
}

struct PlainDigest: TokenDigest {
    func digest(of text: UnsafeRawBufferPointer) -> Digest256 {
        Digest256(words: (UInt64(bitPattern: Int64(Array(text).hashValue)), 0, 0, 0))
    }
}
