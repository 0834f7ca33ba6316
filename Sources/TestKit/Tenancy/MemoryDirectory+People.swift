package import Kernel
import Synchronization
package import Tenancy

extension MemoryDirectory: UserStore {
    package func insert(_ user: User, audit: AuditEntry) async throws {
        try state.withLock { state in
            if state.users[user.id] != nil { return }
            guard !state.users.values.contains(where: { $0.tenant == user.tenant && $0.name == user.name }) else {
                throw Problem(.alreadyExists)
            }
            state.users[user.id] = user
            state.note(audit, in: user.tenant)
        }
    }

    package func find(_ id: UserID) async throws -> User? { state.withLock { $0.users[id] } }

    package func find(person name: String) async throws -> User? {
        state.withLock { state in state.users.values.first { $0.tenant == nil && $0.name == name } }
    }

    package func list(serviceAccountsOf tenant: TenantID?, page: PageRequest) async throws -> Page<User> {
        let after = try cursor(page, UserKind.self)
        let users = state.withLock { state in state.users.values.filter { $0.tenant == tenant } }
        return newestFirst(users, page: page, after: after, id: \.id)
    }

    package func change(_ id: UserID, to standing: Standing, audit: AuditEntry) async throws -> User? {
        state.withLock { state in
            guard let before = state.users[id] else { return nil }
            if before.standing == standing { return before }
            let after = User(
                id: id, kind: before.kind, tenant: before.tenant, name: before.name, isOperator: before.isOperator,
                standing: standing, created: before.created)
            state.users[id] = after
            if before.standing.isActive != standing.isActive { state.revoke(.user(id), at: now) }
            if !standing.isActive { state.endSessions(of: id, at: now) }
            state.note(audit)
            return after
        }
    }

    package func secrets(of id: UserID) async throws -> SignInSecrets? { state.withLock { $0.secrets[id] } }

    package func setSecrets(
        _ secrets: SignInSecrets, of id: UserID, at now: Instant, audit: AuditEntry
    ) async throws {
        try state.withLock { state in
            guard state.users[id]?.kind == .person else { throw Problem(.notFound) }
            state.secrets[id] = secrets
            state.endSessions(of: id, at: now)
            state.note(audit)
        }
    }

    package func useTOTPStep(_ step: Int64, of id: UserID) async throws -> Bool {
        state.withLock { state in
            guard state.users[id] != nil else { return false }
            let known = state.secrets[id]
            if let last = known?.lastTOTPStep, last >= step { return false }
            state.secrets[id] = SignInSecrets(
                passwordHash: known?.passwordHash ?? "", sealedTOTP: known?.sealedTOTP, lastTOTPStep: step)
            return true
        }
    }
}

extension MemoryDirectory: MemberStore {
    package func insert(_ member: Member, audit: AuditEntry) async throws {
        try state.withLock { state in
            if state.members[member.id] != nil { return }
            let isTaken = state.members.values.contains {
                $0.user == member.user && $0.tenant == member.tenant && $0.workspace == member.workspace
            }
            guard !isTaken else { throw Problem(.alreadyExists) }
            state.members[member.id] = member
            state.revoke(.user(member.user), at: now)
            state.note(audit, in: member.tenant)
        }
    }

    package func find(_ id: MemberID, in tenant: TenantID) async throws -> Member? {
        state.withLock { state in state.members[id].flatMap { $0.tenant == tenant ? $0 : nil } }
    }

    package func tenant(of id: MemberID) async throws -> TenantID? { state.withLock { $0.members[id]?.tenant } }

    package func list(
        in tenant: TenantID, workspace: WorkspaceID?, page: PageRequest
    ) async throws -> Page<Member> {
        let after = try cursor(page, MemberKind.self)
        let members = state.withLock { state in
            state.members.values.filter { $0.tenant == tenant && (workspace == nil || $0.workspace == workspace) }
        }
        return newestFirst(members, page: page, after: after, id: \.id)
    }

    package func places(of user: UserID) async throws -> [Member] {
        state.withLock { state in state.members.values.filter { $0.user == user }.sorted { $0.id < $1.id } }
    }

    package func change(
        _ id: MemberID, in tenant: TenantID, to role: Role, audit: AuditEntry
    ) async throws -> Member? {
        try state.withLock { state in
            guard let before = state.members[id], before.tenant == tenant else { return nil }
            if before.role == role { return before }
            try state.checkAnotherOwner(than: before)
            let after = Member(
                id: id, tenant: tenant, workspace: before.workspace, user: before.user, role: role,
                created: before.created)
            state.members[id] = after
            state.revoke(.user(after.user), at: now)
            state.note(audit, in: tenant)
            return after
        }
    }

    package func remove(_ id: MemberID, in tenant: TenantID, audit: AuditEntry) async throws -> Member? {
        try state.withLock { state in
            guard let member = state.members[id], member.tenant == tenant else { return nil }
            try state.checkAnotherOwner(than: member)
            state.members[id] = nil
            state.revoke(.user(member.user), at: now)
            state.note(audit, in: tenant)
            return member
        }
    }
}

extension MemoryDirectory.State {
    fileprivate func checkAnotherOwner(than member: Member) throws {
        guard member.ownsTenant else { return }
        let others = members.values.filter { $0.tenant == member.tenant && $0.ownsTenant && $0.id != member.id }
        guard !others.isEmpty else { throw Problem.lastOwner }
    }
}

extension MemoryDirectory: SessionStore {
    package func insert(_ session: Session, audit: AuditEntry) async throws {
        state.withLock { state in
            if state.sessions[session.id] != nil { return }
            state.sessions[session.id] = session
            state.note(audit)
        }
    }

    package func find(digest: [UInt8]) async throws -> Session? {
        state.withLock { state in state.sessions.values.first { $0.digest == digest } }
    }

    package func end(_ id: SessionID, at now: Instant, audit: AuditEntry) async throws {
        state.withLock { state in
            guard let session = state.sessions[id], session.ended == nil else { return }
            state.end(session, at: now)
            state.note(audit)
        }
    }
}

extension MemoryDirectory.State {
    fileprivate mutating func endSessions(of user: UserID, at now: Instant) {
        for session in sessions.values where session.user == user && session.ended == nil && session.expires > now {
            end(session, at: now)
        }
    }

    fileprivate mutating func end(_ session: Session, at now: Instant) {
        sessions[session.id] = Session(
            id: session.id, user: session.user, digest: session.digest, created: session.created,
            expires: session.expires, ended: now)
        revoke(.session(session.id), at: now)
    }
}
