package import Kernel
import Tenancy

extension ControlFlow: KeyControl {
    package func createKey(_ request: NewKey) async throws -> CreatedKey {
        let named = try await workspace(named: request.workspace)
        try await gate.authorize(.keyWrite, on: target(named), as: "key.create")
        let workspace = named.value
        let name = try Checks.name(request.name, of: "a key")
        let expires = try request.checkedExpiry(now: now)
        let scopes = try KeyScopes(checking: Checks.few(request.scopes, "scopes"))
        let environment = try request.environment.map { text throws(Problem) in
            try Checks.oneOf(ModelEnvironment.self, text, parameter: "environment")
        }
        let addresses = try Checks.addresses(request.addresses)
        try mustNotBeDeleted(workspace.standing, "workspace", parameter: "workspace")
        let user = if let text = request.user { try await self.user(named: text, in: workspace) } else { User?.none }
        try await mayHoldKey(of: user?.id, in: workspace)
        let token = KeyToken.make(random: parts.random)
        let draft = APIKey(
            id: parts.ids.next(), tenant: workspace.tenant, workspace: workspace.id, user: user?.id, name: name,
            prefix: token.prefix, hash: "", scopes: scopes, environment: environment ?? .production,
            addresses: addresses, created: now, expires: expires)
        try mayGive(draft)
        let key = draft.with(hash: try await parts.hasher.hash(token.text))
        try await stores.keys.insert(key, audit: keyEntry("key.create", key))
        // Somebody may have guessed the prefix before it existed.
        parts.verifier?.invalidate(prefix: key.prefix)
        return CreatedKey(view: KeyView(key), token: token.text)
    }

    package func listKeys(in workspace: WorkspaceID?, _ page: PageRequest) async throws -> Page<KeyView> {
        let workspace = try await authorized(.keyRead, in: workspace, as: "key.list")
        return try await stores.keys.list(in: workspace.id, page: page).map(KeyView.init)
    }

    package func key(_ id: KeyID) async throws -> KeyView {
        let place = try await authorizedKey(id, .keyRead, as: "key.read")
        guard let key = try await stores.keys.find(id, in: place.workspace) else { throw noKey(id) }
        return KeyView(key)
    }

    package func rotateKey(_ id: KeyID, _ request: KeyRotation) async throws -> CreatedKey {
        let place = try await authorizedKey(id, .keyWrite, as: "key.rotate")
        guard let old = try await stores.keys.find(id, in: place.workspace) else { throw noKey(id) }
        let overlap = try Checks.seconds(
            request.overlapSeconds, KeyRotation.CodingKeys.overlapSeconds.rawValue, in: 0...30 * 86_400, usual: 86_400)
        guard let workspace = try await stores.workspaces.find(place.workspace, in: place.tenant) else {
            throw noKey(id)
        }
        try mustNotBeDeleted(workspace.standing, "workspace", parameter: "id")
        try await mayHoldKey(of: old.user, in: workspace)
        try mayGive(old)
        guard old.isUsable(at: now), old.successor == nil else { throw cannotRotate }
        let token = KeyToken.make(random: parts.random)
        let hash = try await parts.hasher.hash(token.text)
        let key = old.following(
            id: parts.ids.next(), prefix: token.prefix, hash: hash, created: now)
        var entry = keyEntry("key.rotate", key)
        entry = self.entry(
            entry.action, on: id, tenant: key.tenant, workspace: key.workspace,
            entry.details.merging(["successor": key.id.description, "overlap": "\(overlap)"]) { old, _ in old })
        guard
            let ended = try await stores.keys.rotate(
                id, in: place.workspace, to: key, oldEndsAt: now + overlap, audit: entry)
        else { throw cannotRotate }
        parts.verifier?.invalidate(prefix: key.prefix)
        parts.verifier?.invalidate(prefix: ended.prefix)
        await didRevoke()
        return CreatedKey(view: KeyView(key), token: token.text)
    }

    package func revokeKey(_ id: KeyID) async throws -> KeyView {
        let place = try await authorizedKey(id, .keyWrite, as: "key.revoke")
        guard
            let key = try await stores.keys.revoke(
                id, in: place.workspace, at: now,
                audit: entry("key.revoke", on: id, tenant: place.tenant, workspace: place.workspace))
        else { throw noKey(id) }
        parts.verifier?.invalidate(prefix: key.prefix)
        await didRevoke()
        return KeyView(key)
    }

    // MARK: Parts

    private func authorizedKey(
        _ id: KeyID, _ action: Permission, as act: String
    ) async throws -> (tenant: TenantID, workspace: WorkspaceID) {
        guard let place = try await stores.keys.workspace(of: id) else { throw noKey(id) }
        let resource = Resource(tenant: place.tenant, workspace: place.workspace)
        try await gate.authorize(
            action, on: Target(resource, subject: id.description, missing: noKey(id)), as: act)
        return place
    }

    private func noKey(_ id: KeyID) -> Problem {
        Problem(
            .notFound, "There is no key `\(id)`.", parameter: "id",
            hint: "`volery keys list` shows the keys of a workspace.")
    }

    private var cannotRotate: Problem {
        Problem(
            .conflict, "The key is revoked, expired, or was rotated already.", parameter: "id",
            hint: "Rotate its successor, or make a new key.")
    }

    private func keyEntry(_ action: String, _ key: APIKey) -> AuditEntry {
        var details = [
            "name": key.name, "prefix": key.prefix, "scopes": key.scopes.words.joined(separator: " "),
            "environment": key.environment.rawValue,
        ]
        if let user = key.user { details["user"] = user.description }
        if let expires = key.expires { details["expires"] = expires.description }
        if !key.addresses.isEmpty { details["addresses"] = key.addresses.map(\.description).joined(separator: " ") }
        return entry(action, on: key.id, tenant: key.tenant, workspace: key.workspace, details)
    }

    /// Somebody of the workspace: by identifier of user or place, by a person's name, or by a program's.
    private func user(named text: String, in workspace: Workspace) async throws -> User {
        let missing = Self.missing("member", text, parameter: "user")
        let user: User?
        if let id = UserID(text) {
            user = try await stores.users.find(id)
        } else if let id = MemberID(text) {
            let member = try await stores.members.find(id, in: workspace.tenant)
            user = if let member { try await stores.users.find(member.user) } else { nil }
        } else {
            guard Checks.couldBeName(text) else { throw missing }
            let account = try await serviceAccount(named: text, of: workspace.tenant)
            user = if let account { account } else { try await stores.users.find(person: text) }
        }
        guard let user else { throw missing }
        let hasPlace = try await stores.members.places(of: user.id).contains {
            $0.tenant == workspace.tenant && ($0.workspace == nil || $0.workspace == workspace.id)
        }
        guard hasPlace else { throw missing }
        return user
    }

    private func serviceAccount(named name: String, of tenant: TenantID) async throws -> User? {
        var after: String?
        repeat {
            let page = try await stores.users.list(
                serviceAccountsOf: tenant, page: PageRequest(limit: PageRequest.allowed.upperBound, after: after))
            if let found = page.data.first(where: { $0.name == name }) { return found }
            after = page.hasMore ? page.lastID : nil
        } while after != nil
        return nil
    }

    /// A key acts in its user's name. So it is made by that user, or by somebody who administers the members.
    private func mayHoldKey(of user: UserID?, in workspace: Workspace) async throws {
        guard let user, user != caller.principal.user else { return }
        let target = Target(Resource(tenant: workspace.tenant, workspace: workspace.id), subject: user.description)
        try await gate.authorize(.memberWrite, on: target, as: "key.create")
    }

    /// Nobody makes a key that can do more than they can: not by its permissions, not by what it is limited to, and
    /// not for longer.
    private func mayGive(_ key: APIKey) throws(Problem) {
        let held = caller.principal.permissions(in: key.tenant, workspace: key.workspace)
        let beyond = key.scopes.permissions.subtracting(held).map(\.rawValue).sorted()
        guard beyond.isEmpty else {
            throw Problem(
                .policyDenied, "The key would hold more than the caller does: \(beyond.joined(separator: ", ")).",
                parameter: "scopes", hint: "Leave those out, or ask somebody who has them.")
        }
        if let parameter = caller.principal.limits.exceeded(by: key) {
            throw Problem(
                .policyDenied, "The key would be limited less than the caller's own.", parameter: parameter,
                hint: "Give it the same limits, or narrower ones.")
        }
    }
}

extension KeyLimits {
    /// The field in which a key would reach beyond these limits.
    fileprivate func exceeded(by key: APIKey) -> String? {
        if let environment, environment != key.environment { return "environment" }
        let scopes = key.scopes
        if !endpoints.isEmpty, scopes.endpoints.isEmpty || !scopes.endpoints.isSubset(of: endpoints) { return "scopes" }
        if !models.isEmpty {
            let isWithin = scopes.models.allSatisfy { wanted in models.contains { $0.covers(wanted) } }
            if scopes.models.isEmpty || !isWithin { return "scopes" }
        }
        if !addresses.isEmpty {
            let isWithin = key.addresses.allSatisfy { wanted in
                addresses.contains { $0.prefix <= wanted.prefix && $0.contains(wanted.first) }
            }
            if key.addresses.isEmpty || !isWithin { return "addresses" }
        }
        if let expires {
            guard let end = key.expires, end <= expires else { return "expires" }
        }
        return nil
    }
}

extension ModelPattern {
    /// Whether everything that the other one matches is matched by this.
    fileprivate func covers(_ other: ModelPattern) -> Bool {
        guard text.hasSuffix("*") else { return other == self }
        return other.text.hasPrefix(text.dropLast())
    }
}

extension APIKey {
    fileprivate func with(hash: String) -> APIKey {
        APIKey(
            id: id, tenant: tenant, workspace: workspace, user: user, name: name, prefix: prefix, hash: hash,
            scopes: scopes, environment: environment, addresses: addresses, created: created, expires: expires)
    }

    /// The key that a rotation puts in this one's place: all its limits, another secret.
    fileprivate func following(id: KeyID, prefix: String, hash: String, created: Instant) -> APIKey {
        APIKey(
            id: id, tenant: tenant, workspace: workspace, user: user, name: name, prefix: prefix, hash: hash,
            scopes: scopes, environment: environment, addresses: addresses, created: created, expires: expires)
    }
}

extension NewKey {
    private static let longestLife = 100 * 366 * 86_400

    fileprivate func checkedExpiry(now: Instant) throws(Problem) -> Instant? {
        if let expiresIn {
            guard expires == nil else {
                throw Problem(
                    .validationError, "`expires` and `expires_in` exclude each other.", parameter: "expires_in",
                    hint: "Leave one of them out.")
            }
            guard (1...Self.longestLife).contains(expiresIn) else {
                throw Problem(
                    .validationError, "`expires_in` must be a number of seconds from 1 to \(Self.longestLife).",
                    parameter: "expires_in", hint: "Leave it out for a key that does not expire.")
            }
            return now + .seconds(expiresIn)
        }
        if let expires, expires <= now {
            throw Problem(
                .validationError, "`expires` lies in the past.", parameter: "expires",
                hint: "Give a time that is still to come, or leave it out for a key that does not expire.")
        }
        return expires
    }
}
