package import Kernel
package import Tenancy

/// Where the first key is written for its owner: a file of mode 0600.
package protocol FirstKeyPlace: Sendable {
    /// The text that is there, without surrounding white space; nil when there is none.
    func read() throws -> String?
    /// Replaces the text at once and durably: after a crash there is the old text or the new one, never a part.
    func write(_ token: Secret) throws
    /// A text that is not there is no failure.
    func remove() throws
}

/// Sees to it that a fresh installation has one key that its owner can read.
///
/// The file is written before the row. So whatever moment a `kill -9` chooses, the next start finds either nothing, and
/// begins again, or a file whose key it can still add: a key that was handed out always works.
package struct FirstKeyFlow: Sendable {
    package enum Outcome: Sendable {
        /// Made now: it may be shown.
        case created(KeyToken)
        /// The file's key was missing in the database and was added again.
        case healed(KeyToken)
        /// Nothing was to do.
        case kept
    }

    private let workspace: Workspace
    private let keys: any FirstKeyStore
    private let hasher: any SecretHasher
    private let place: any FirstKeyPlace
    private let clock: any Clock
    private let ids: IDSource
    private let random: any RandomSource

    package init(
        workspace: Workspace, keys: any FirstKeyStore, hasher: any SecretHasher, place: any FirstKeyPlace,
        clock: any Clock, ids: IDSource, random: any RandomSource
    ) {
        self.workspace = workspace
        self.keys = keys
        self.hasher = hasher
        self.place = place
        self.clock = clock
        self.ids = ids
        self.random = random
    }

    /// Idempotent. For one folder only one process may run it at a time: the holder of its lock. Nodes with a folder
    /// each and one database may: one of them makes the key.
    /// - Throws: the store's or the hasher's `Problem`; `CONFIGURATION_INVALID` when the file holds something else.
    package func run() async throws -> Outcome {
        if let text = try place.read() {
            guard let token = KeyToken(text) else {
                throw Problem(
                    .configurationInvalid, "The file initial-api-key in the data folder does not hold an API key.",
                    hint: "Restore it, or delete it: the next start then makes a first key if there is none.")
            }
            guard try await keys.find(prefix: token.prefix) == nil else { return .kept }
            let key = try await key(for: token)
            try await keys.insert(key, audit: entry(for: key))
            return .healed(token)
        }
        guard try await keys.countUsable(in: workspace.id, at: clock.now) == 0 else { return .kept }
        let token = KeyToken.make(random: random)
        try place.write(token.text)
        let key = try await key(for: token)
        guard try await keys.insertFirst(key, audit: entry(for: key)) else {
            // Another node was first; this one's key was shown to nobody.
            try place.remove()
            return .kept
        }
        return .created(token)
    }

    private func entry(for key: APIKey) -> AuditEntry {
        AuditEntry(
            id: ids.next(), tenant: key.tenant, workspace: key.workspace, at: key.created, actor: "platform",
            action: "key.create", subject: key.id.description, details: ["name": key.name])
    }

    private func key(for token: KeyToken) async throws -> APIKey {
        let hash = try await hasher.hash(token.text)
        return APIKey(
            id: ids.next(), tenant: workspace.tenant, workspace: workspace.id, name: "initial", prefix: token.prefix,
            hash: hash, created: clock.now)
    }
}
