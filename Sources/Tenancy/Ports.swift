package import Kernel

/// Where keys are kept. Safe to call from anywhere; every method throws `Problem(.storageUnavailable)` or
/// `.storageFull` when the database cannot serve, and is cancelled with its task.
package protocol KeyStore: Sendable {
    /// Adds a key. Repeating it with the same id changes nothing.
    func insert(_ key: APIKey) async throws
    /// Adds a key where the workspace has no usable one at `key.created`. Of several callers at once, on any nodes, one
    /// adds its key.
    /// - Returns: whether it was added.
    func insertFirst(_ key: APIKey) async throws -> Bool
    /// The key with this public prefix in any workspace, also a revoked or expired one.
    func find(prefix: String) async throws -> APIKey?
    /// The workspace's keys, newest first.
    func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<APIKey>
    /// Marks the key as revoked and returns it as it is then; a second call keeps the first time.
    /// - Returns: nil when the workspace has no such key.
    func revoke(_ id: KeyID, in workspace: WorkspaceID, at now: Instant) async throws -> APIKey?
    /// How many usable keys the workspace has at `now`.
    func countUsable(in workspace: WorkspaceID, at now: Instant) async throws -> Int
}

/// Tenants and workspaces. Errors and cancellation as for `KeyStore`.
package protocol WorkspaceStore: Sendable {
    /// The workspace of that name in the tenant of that name; both are created when they are missing.
    func ensure(tenant: String, workspace: String, ids: IDSource, now: Instant) async throws -> Workspace
}

/// Slow, memory-hard hashing of key secrets (argon2id). Bounds how many run at once.
package protocol SecretHasher: Sendable {
    /// - Returns: a PHC string with a fresh salt.
    /// - Throws: `Problem(.overloaded)` when its queue is full; `CancellationError`.
    func hash(_ secret: Secret) async throws -> String
    /// Whether `hash` was made from `secret`. Throws as `hash(_:)`.
    func verify(_ secret: Secret, against hash: String) async throws -> Bool
}

/// A fast keyed digest, by which a verified token is recognized again without keeping it.
/// The key lives and dies with the process.
package protocol TokenDigest: Sendable {
    /// 32 bytes, different in every process.
    func digest(of text: some StringProtocol) -> Digest256
}

/// 256 bits of a digest.
package struct Digest256: Hashable, Sendable {
    package let words: (UInt64, UInt64, UInt64, UInt64)

    package init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    package static func == (left: Digest256, right: Digest256) -> Bool {
        left.words == right.words
    }

    package func hash(into hasher: inout Hasher) {
        // The digest is uniform already; one word of it is enough to spread the buckets.
        hasher.combine(words.0)
    }
}
