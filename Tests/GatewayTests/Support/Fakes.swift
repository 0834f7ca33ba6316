import Inference
import Kernel
import Synchronization
import Tenancy

/// One workspace with one good key. The real stores have suites of their own.
struct OneKeyStore: KeyStore {
    static let token = "vk_aaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

    let key: APIKey

    init() {
        key = APIKey(
            id: KeyID(ULID(high: 1, low: 1)), tenant: TenantID(ULID(high: 1, low: 2)),
            workspace: WorkspaceID(ULID(high: 1, low: 3)), name: "test", prefix: "aaaaaaaaaa", hash: Self.token,
            created: Instant(microseconds: 0))
    }

    func find(prefix: String) async throws -> APIKey? { prefix == key.prefix ? key : nil }
    func insert(_ key: APIKey) async throws {}
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

final class MemoryJournal: UsageJournal {
    private let state = Mutex(([UsageRecord](), true))

    func append(_ record: UsageRecord) { state.withLock { $0.0.append(record) } }
    var acceptsWork: Bool { state.withLock { $0.1 } }
    func refuseWork() { state.withLock { $0.1 = false } }
    var records: [UsageRecord] { state.withLock { $0.0 } }
}
