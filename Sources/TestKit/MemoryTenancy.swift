package import Kernel
import Synchronization
package import Tenancy

/// Keys in memory.
package final class MemoryKeyStore: KeyStore {
    private struct State {
        var keys: [KeyID: APIKey] = [:]
        var finds = 0
    }

    private let state = Mutex(State())
    private let gate: Gate

    /// - Parameter gate: passed after the row was read and before it is returned.
    package init(_ keys: [APIKey] = [], gate: Gate = Gate(isOpen: true)) {
        self.gate = gate
        state.withLock { state in for key in keys { state.keys[key.id] = key } }
    }

    /// How often `find` was called.
    package var finds: Int { state.withLock { $0.finds } }

    package func insert(_ key: APIKey) async throws {
        try state.withLock { state in
            if state.keys[key.id] != nil { return }
            guard !state.keys.values.contains(where: { $0.prefix == key.prefix }) else { throw Problem(.alreadyExists) }
            state.keys[key.id] = key
        }
    }

    package func insertFirst(_ key: APIKey) async throws -> Bool {
        try state.withLock { state in
            let isFirst = !state.keys.values.contains {
                $0.workspace == key.workspace && $0.isUsable(at: key.created)
            }
            guard isFirst else { return false }
            guard !state.keys.values.contains(where: { $0.prefix == key.prefix }) else { throw Problem(.alreadyExists) }
            state.keys[key.id] = key
            return true
        }
    }

    package func find(prefix: String) async throws -> APIKey? {
        let key = state.withLock { state in
            state.finds += 1
            return state.keys.values.first { $0.prefix == prefix }
        }
        await gate.pass()
        return key
    }

    package func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<APIKey> {
        let after = try cursor(page, KeyKind.self)
        let keys = state.withLock { $0.keys.values.filter { $0.workspace == workspace } }
        return newestFirst(keys, page: page, after: after, id: \.id)
    }

    package func revoke(_ id: KeyID, in workspace: WorkspaceID, at now: Instant) async throws -> APIKey? {
        state.withLock { state in
            guard let key = state.keys[id], key.workspace == workspace else { return nil }
            let revoked = APIKey(
                id: key.id, tenant: key.tenant, workspace: key.workspace, name: key.name, prefix: key.prefix,
                hash: key.hash, created: key.created, expires: key.expires, revoked: key.revoked ?? now)
            state.keys[id] = revoked
            return revoked
        }
    }

    package func countUsable(in workspace: WorkspaceID, at now: Instant) async throws -> Int {
        state.withLock { $0.keys.values.count { $0.workspace == workspace && $0.isUsable(at: now) } }
    }
}

/// Tenants and workspaces in memory.
package final class MemoryWorkspaceStore: WorkspaceStore {
    private struct State {
        var tenants: [String: TenantID] = [:]
        var workspaces: [Workspace] = []
    }

    private let state = Mutex(State())

    package init() {}

    package func ensure(tenant: String, workspace: String, ids: IDSource, now: Instant) async throws -> Workspace {
        state.withLock { state in
            let tenantID = state.tenants[tenant] ?? ids.next()
            state.tenants[tenant] = tenantID
            if let known = state.workspaces.first(where: { $0.tenant == tenantID && $0.name == workspace }) {
                return known
            }
            let made = Workspace(id: ids.next(), tenant: tenantID, name: workspace)
            state.workspaces.append(made)
            return made
        }
    }
}

/// A hash that anybody can undo, and that counts how often it was asked for.
package final class TransparentHasher: SecretHasher {
    private struct State { var verifications = 0 }

    private let state = Mutex(State())
    private let gate: Gate

    /// - Parameter gate: passed by every verification.
    package init(gate: Gate = Gate(isOpen: true)) { self.gate = gate }

    package var verifications: Int { state.withLock { $0.verifications } }

    package func hash(_ secret: Secret) async throws -> String { "plain:" + secret.reveal() }

    package func verify(_ secret: Secret, against hash: String) async throws -> Bool {
        state.withLock { $0.verifications += 1 }
        await gate.pass()
        try Task.checkCancellation()
        return hash == "plain:" + secret.reveal()
    }
}

/// Not keyed: the same digest in every run.
package struct PlainDigest: TokenDigest {
    package init() {}

    package func digest(of text: some StringProtocol) -> Digest256 {
        var words: [UInt64] = [1, 2, 3, 4]
        for byte in text.utf8 {
            for index in words.indices { words[index] = (words[index] &* 0x100_0000_01B3) ^ UInt64(byte) }
        }
        return Digest256(words: (words[0], words[1], words[2], words[3]))
    }
}
