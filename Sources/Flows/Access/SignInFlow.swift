package import Kernel
import Synchronization
package import Tenancy

/// Signs people in with a password, and a one-time code where they have that.
///
/// Whether an account exists cannot be told: an unknown name takes as long as a wrong password, and is answered alike.
package struct SignInFlow: Sendable {
    package struct Parts: Sendable {
        package let users: any UserStore
        package let sessions: any SessionStore
        package let audit: any AuditStore
        package let hasher: any SecretHasher
        package let sealer: any Sealer
        package let codes: any OneTimeCodes
        package let digests: any SessionDigest
        package let failures: FailedCredentials
        package let throttle: SignInThrottle
        package let notes: SignInNotes
        package let clock: any Clock
        package let ids: IDSource
        package let random: any RandomSource
        /// Runs work that nobody waits for: what only an existing account causes must not be seen in the time it takes.
        package let startTask: @Sendable (@escaping @Sendable () async -> Void) -> Void

        package init(
            users: any UserStore, sessions: any SessionStore, audit: any AuditStore, hasher: any SecretHasher,
            sealer: any Sealer, codes: any OneTimeCodes, digests: any SessionDigest, failures: FailedCredentials,
            clock: any Clock, ids: IDSource, random: any RandomSource,
            startTask: @escaping @Sendable (@escaping @Sendable () async -> Void) -> Void
        ) {
            self.users = users
            self.sessions = sessions
            self.audit = audit
            self.hasher = hasher
            self.sealer = sealer
            self.codes = codes
            self.digests = digests
            self.failures = failures
            throttle = SignInThrottle(clock: clock)
            notes = SignInNotes(clock: clock)
            self.clock = clock
            self.ids = ids
            self.random = random
            self.startTask = startTask
        }
    }

    private static let longestName = 200
    private let parts: Parts
    private let nobody: Nobody

    package init(_ parts: Parts) {
        self.parts = parts
        nobody = Nobody(id: parts.ids.next())
    }

    /// - Throws: `INVALID_API_KEY` when name, password or code are not right; `AUTHENTICATION_REQUIRED` for `code` when
    ///   only that is missing; `RATE_LIMITED` after too many tries.
    package func begin(_ request: SignIn, from address: IPAddress?, request id: RequestID) async throws -> NewSession {
        guard (1...Self.longestName).contains(request.user.utf8.count), !request.user.utf8.contains(0) else {
            throw Problem(
                .validationError, "`user` must have 1 to \(Self.longestName) bytes, and no zero byte.",
                parameter: "user",
                hint: "Send the name that the account was made with.")
        }
        guard (1...PasswordRule.length.upperBound).contains(request.password.reveal().utf8.count) else {
            throw Problem(
                .validationError, "`password` must have 1 to \(PasswordRule.length.upperBound) bytes.",
                parameter: "password")
        }
        if let refusal = parts.failures.beginHash(for: address) { throw refusal }
        do {
            let session = try await check(request, from: address, id)
            parts.failures.endHash(for: address, .right)
            return session
        } catch {
            parts.failures.endHash(for: address, Self.outcome(of: error))
            throw error
        }
    }

    private static func outcome(of error: any Error) -> FailedCredentials.Outcome {
        if error is CancellationError { return .unknown }
        return (error as? Problem)?.code == .invalidAPIKey ? .wrong : .none
    }

    private func check(_ request: SignIn, from address: IPAddress?, _ id: RequestID) async throws -> NewSession {
        if let refusal = parts.throttle.take(request.user) { throw refusal }
        // Before it is known whether it is needed: else the first unknown name would take twice as long.
        let nobodysHash = try await nobody.hash(parts)
        let user = try await parts.users.find(person: request.user)
        let secrets = try await parts.users.secrets(of: user?.id ?? nobody.id)
        let isRight = try await parts.hasher.verify(request.password, against: secrets?.passwordHash ?? nobodysHash)
        guard let user, let secrets, isRight, user.standing.isActive else {
            throw refused(user, from: address, id)
        }
        if let sealed = secrets.sealedTOTP {
            guard let code = request.code else {
                parts.throttle.giveBack(request.user)
                throw Problem(
                    .authenticationRequired, "This account needs a one-time code too.", parameter: "code",
                    hint: "Send the six digits that the authenticator application shows as `code`.")
            }
            guard try await accepts(code, sealed: sealed, of: user.id) else {
                throw refused(user, from: address, id)
            }
        }
        parts.throttle.giveBack(request.user)
        return try await open(for: user, from: address, id)
    }

    /// Ends the session that the caller came with.
    /// - Throws: `VALIDATION_ERROR` for a caller who came with something else.
    package func end(_ caller: Caller) async throws -> EndedSession {
        guard case .session(let id) = caller.principal.identity else {
            throw Problem(
                .validationError, "The request does not carry a session.", parameter: "authorization",
                hint: "Only a session (vs_…) can be signed out. A key is revoked with DELETE /v1/admin/keys/{id}.")
        }
        let now = parts.clock.now
        try await parts.sessions.end(
            id, at: now,
            audit: AuditEntry(
                id: parts.ids.next(), tenant: nil, at: now, actor: caller.actor, action: "session.end",
                subject: id.description, address: caller.address, request: caller.request,
                details: caller.details()))
        return EndedSession(id: id, ended: now)
    }

    private func accepts(_ code: String, sealed: [UInt8], of user: UserID) async throws -> Bool {
        let secret = try parts.sealer.open(sealed, for: SealPurpose.oneTimeCodes(of: user))
        guard
            let step = parts.codes.step(
                of: code, secret: Secret(String(decoding: secret, as: UTF8.self)), at: parts.clock.now)
        else { return false }
        return try await parts.users.useTOTPStep(step, of: user)
    }

    private func open(for user: User, from address: IPAddress?, _ request: RequestID) async throws -> NewSession {
        let now = parts.clock.now
        let token = SessionToken.make(random: parts.random)
        let session = Session(
            id: parts.ids.next(), user: user.id, digest: parts.digests.digest(of: token), created: now,
            expires: now + SessionToken.lifetime)
        try await parts.sessions.insert(
            session,
            audit: AuditEntry(
                id: parts.ids.next(), tenant: nil, at: now, actor: user.id.description, action: "session.begin",
                subject: session.id.description, address: address, request: request))
        return NewSession(id: session.id, user: user.id, token: token.text, expires: session.expires)
    }

    /// A wrong try at an account that exists is an event, at most once a minute; one at an account that does not is
    /// only counted.
    private func refused(_ user: User?, from address: IPAddress?, _ request: RequestID) -> Problem {
        if let user, parts.notes.notes(user.id) {
            let entry = AuditEntry(
                id: parts.ids.next(), tenant: nil, at: parts.clock.now, actor: user.id.description,
                action: "session.begin", subject: user.id.description, address: address, request: request,
                outcome: .denied)
            parts.startTask { [audit = parts.audit, notes = parts.notes] in
                // While the log cannot be written the next try is noted.
                if (try? await audit.append(entry)) == nil { notes.forget(user.id) }
            }
        }
        return Problem(
            .invalidAPIKey, "User, password or code is not right.",
            hint: "Check all of them. An operator sets a new password with `volery owner set-password`.")
    }
}

/// Stands in for accounts that are not there: the hash of what nobody knows. Made at the first sign-in, since a
/// platform where nobody signs in need not pay 19 MiB for it.
private final class Nobody: Sendable {
    let id: UserID
    private let made = Mutex<String?>(nil)

    init(id: UserID) { self.id = id }

    func hash(_ parts: SignInFlow.Parts) async throws -> String {
        if let hash = made.withLock({ $0 }) { return hash }
        let hash = try await parts.hasher.hash(Secret(Base32.lowercase(parts.random.bytes(32))))
        return made.withLock { made in
            // Several who come first make one each, and all use the same.
            let kept = made ?? hash
            made = kept
            return kept
        }
    }
}
