package import Kernel
package import Tenancy

/// Finds out who sends a request of the control plane: by the operator token, an API key or a session.
package struct CallerAuthentication: Sendable {
    private static let scheme = "Bearer "

    private let operatorToken: Secret
    private let keys: KeyVerifier
    private let sessions: any SessionStore
    private let directory: PrincipalDirectory
    private let digests: any SessionDigest
    private let clock: any Clock

    /// - Parameters:
    ///   - operatorToken: of the data folder, `vo_…`.
    ///   - keys: shared with the gateway, so that an address has one measure of failures for both planes.
    package init(
        operatorToken: Secret, keys: KeyVerifier, sessions: any SessionStore, directory: PrincipalDirectory,
        digests: any SessionDigest, clock: any Clock
    ) {
        self.operatorToken = operatorToken
        self.keys = keys
        self.sessions = sessions
        self.directory = directory
        self.digests = digests
        self.clock = clock
    }

    /// - Parameter fields: the values of the `authorization` header.
    /// - Throws: `AUTHENTICATION_REQUIRED`, `INVALID_API_KEY`; `RATE_LIMITED` for an address that failed too often; the
    ///   stores' `Problem`.
    package func caller(
        authorization fields: [String], address: IPAddress?, request: RequestID
    ) async throws -> Caller {
        guard let field = fields.first else {
            throw Problem(
                .authenticationRequired, "The request carries no credential.",
                hint: "Send `Authorization: Bearer …` with an API key (vk_…), a session (vs_…) or the operator token "
                    + "(vo_…), which is in the file operator-token of the data folder.")
        }
        guard fields.count == 1, field.count > Self.scheme.count,
            field.prefix(Self.scheme.count).lowercased() == Self.scheme.lowercased()
        else { throw wrong(from: address) }
        let text = String(field.dropFirst(Self.scheme.count))
        return Caller(principal: try await principal(of: text, from: address), address: address, request: request)
    }

    /// Whether the request carries the operator token; nothing is looked up, and nothing counts as a failure.
    package func isOperator(_ fields: [String]) -> Bool {
        guard fields.count == 1, fields[0].prefix(Self.scheme.count).lowercased() == Self.scheme.lowercased() else {
            return false
        }
        return Secret(String(fields[0].dropFirst(Self.scheme.count))) == operatorToken
    }

    private func principal(of text: String, from address: IPAddress?) async throws -> Principal {
        if Secret(text) == operatorToken { return .platformOperator }
        if KeyToken(text) != nil { return try await principal(ofKey: text, from: address) }
        guard let token = SessionToken(text) else { throw wrong(from: address) }
        return try await principal(ofSession: digests.digest(of: token), from: address)
    }

    /// A living session goes on, whoever else shares its address: it is found by a digest, which costs no hash. Only
    /// what is wrong is throttled.
    private func principal(ofSession digest: [UInt8], from address: IPAddress?) async throws -> Principal {
        guard let principal = try await principal(ofSession: digest) else { throw wrong(from: address) }
        return principal
    }

    /// A key that is known to be good goes on, whoever else shares its address.
    private func principal(ofKey text: String, from address: IPAddress?) async throws -> Principal {
        if let cached = keys.cached(text) {
            switch cached.verdict {
            case .accepted(let holder):
                if !cached.wantsRenewal { return holder.principal }
            case .refused: throw wrong(from: address)
            }
        }
        guard case .accepted(let holder) = try await keys.verify(text, from: address) else { throw refused }
        return holder.principal
    }

    private func principal(ofSession digest: [UInt8]) async throws -> Principal? {
        guard let session = try await sessions.find(digest: digest), session.ended == nil,
            clock.now < session.expires
        else { return nil }
        return try await directory.principal(of: session.user, identity: .session(session.id))
    }

    private func wrong(from address: IPAddress?) -> Problem {
        if let refusal = keys.failures.refusal(for: address) { return refusal }
        keys.failures.note(from: address)
        return refused
    }

    private var refused: Problem {
        Problem(
            .invalidAPIKey, "The credential is not one of this platform, or no longer good.",
            hint: "Send an API key (vk_…), a session (vs_…) or the operator token (vo_…) as `Authorization: Bearer …`.")
    }
}
