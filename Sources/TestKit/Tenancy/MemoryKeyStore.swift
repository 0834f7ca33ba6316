package import Kernel
import Synchronization
package import Tenancy

/// Keys in memory. What is not in its directory is taken to be active.
package final class MemoryKeyStore: KeyStore {
    package let directory: MemoryDirectory
    private let counted = Mutex(0)
    private let gate: Gate

    /// - Parameter gate: passed after the row was read and before it is returned.
    package init(
        _ keys: [APIKey] = [], gate: Gate = Gate(isOpen: true), in directory: MemoryDirectory = MemoryDirectory()
    ) {
        self.gate = gate
        self.directory = directory
        directory.state.withLock { state in for key in keys { state.keys[key.id] = key } }
    }

    /// How often `find` was called.
    package var finds: Int { counted.withLock { $0 } }

    package func insert(_ key: APIKey, audit: AuditEntry) async throws {
        try directory.state.withLock { try $0.add(key, audit) }
    }

    package func insertFirst(_ key: APIKey, audit: AuditEntry) async throws -> Bool {
        try directory.state.withLock { state in
            let isFirst = !state.keys.values.contains {
                $0.workspace == key.workspace && $0.isUsable(at: key.created)
            }
            guard isFirst else { return false }
            try state.add(key, audit)
            return true
        }
    }

    package func find(prefix: String) async throws -> KeyFacts? {
        counted.withLock { $0 += 1 }
        let facts: KeyFacts? = directory.state.withLock { state in
            guard let key = state.keys.values.first(where: { $0.prefix == prefix }) else { return nil }
            let members = state.members.values.filter { $0.user == key.user && $0.tenant == key.tenant }
            let rules = state.rules.values.filter {
                $0.tenant == key.tenant && ($0.workspace == nil || $0.workspace == key.workspace)
            }
            var forebears: Set<KeyID> = []
            while let older = state.keys.values.first(where: {
                $0.successor == key.id && !forebears.contains($0.id)
                    || $0.successor.map(forebears.contains) == true && !forebears.contains($0.id)
            }) { forebears.insert(older.id) }
            return KeyFacts(
                key: key, tenant: state.tenants[key.tenant]?.standing ?? .active,
                workspace: state.workspaces[key.workspace]?.standing ?? .active,
                user: key.user.map { state.users[$0]?.standing ?? .active },
                members: members.sorted { $0.id < $1.id },
                rules: rules.sorted { $0.id < $1.id }.map { $0.following(key.id, in: forebears) })
        }
        await gate.pass()
        return facts
    }

    package func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<APIKey> {
        let after = try cursor(page, KeyKind.self)
        let keys = directory.state.withLock { $0.keys.values.filter { $0.workspace == workspace } }
        return newestFirst(keys, page: page, after: after, id: \.id)
    }

    package func find(_ id: KeyID, in workspace: WorkspaceID) async throws -> APIKey? {
        directory.state.withLock { state in state.keys[id].flatMap { $0.workspace == workspace ? $0 : nil } }
    }

    package func revoke(
        _ id: KeyID, in workspace: WorkspaceID, at now: Instant, audit: AuditEntry
    ) async throws -> APIKey? {
        directory.state.withLock { state in
            guard let key = state.keys[id], key.workspace == workspace else { return nil }
            if key.revoked != nil { return key }
            let revoked = key.changed(revoked: now)
            state.keys[id] = revoked
            state.revoke(.key(id), at: now)
            state.note(audit, in: key.tenant)
            return revoked
        }
    }

    package func rotate(
        _ id: KeyID, in workspace: WorkspaceID, to successor: APIKey, oldEndsAt end: Instant, audit: AuditEntry
    ) async throws -> APIKey? {
        try directory.state.withLock { state in
            guard let key = state.keys[id], key.workspace == workspace, key.successor == nil,
                key.isUsable(at: successor.created)
            else { return nil }
            guard !state.keys.values.contains(where: { $0.prefix == successor.prefix }) else {
                throw Problem(.alreadyExists)
            }
            let older = key.changed(expires: min(end, key.expires ?? end), successor: successor.id)
            state.keys[id] = older
            state.keys[successor.id] = successor
            state.revoke(.key(id), at: successor.created)
            state.note(audit, in: key.tenant)
            return older
        }
    }

    package func workspace(of id: KeyID) async throws -> (tenant: TenantID, workspace: WorkspaceID)? {
        directory.state.withLock { state in state.keys[id].map { ($0.tenant, $0.workspace) } }
    }

    package func touch(_ uses: [KeyID: Instant]) async throws {
        directory.state.withLock { state in
            for (id, used) in uses {
                guard let key = state.keys[id], key.lastUsed.map({ $0 < used }) ?? true else { continue }
                state.keys[id] = key.changed(lastUsed: used)
            }
        }
    }

    package func countUsable(in workspace: WorkspaceID, at now: Instant) async throws -> Int {
        directory.state.withLock { $0.keys.values.count { $0.workspace == workspace && $0.isUsable(at: now) } }
    }
}

extension MemoryDirectory.State {
    fileprivate mutating func add(_ key: APIKey, _ audit: AuditEntry) throws {
        if keys[key.id] != nil { return }
        guard !keys.values.contains(where: { $0.prefix == key.prefix }) else { throw Problem(.alreadyExists) }
        keys[key.id] = key
        note(audit, in: key.tenant)
    }
}

extension APIKey {
    /// What is nil stays.
    fileprivate func changed(
        expires: Instant? = nil, revoked: Instant? = nil, successor: KeyID? = nil, lastUsed: Instant? = nil
    ) -> APIKey {
        APIKey(
            id: id, tenant: tenant, workspace: workspace, user: user, name: name, prefix: prefix, hash: hash,
            scopes: scopes, environment: environment, addresses: addresses, created: created,
            expires: expires ?? self.expires, revoked: revoked ?? self.revoked,
            successor: successor ?? self.successor, lastUsed: lastUsed ?? self.lastUsed)
    }
}
