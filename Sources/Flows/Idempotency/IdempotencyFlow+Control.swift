package import Kernel
package import Tenancy

/// The control plane's entry.
extension IdempotencyFlow {
    /// How long a request of the control plane waits for its twin.
    package static let controlLimit = Duration.seconds(30)

    /// A keyed request of the control plane. Answers belong to who got them: the key's scope is the caller besides
    /// workspace and route, since another caller of the workspace may not be allowed to see them.
    /// - Parameters:
    ///   - workspace: of the caller's key; nil for the operator and for persons.
    ///   - method: of the request.
    ///   - pattern: the path's, with names in place of identifiers.
    ///   - path: as it was asked for, with its query: the same key for another thing is a conflict.
    ///   - text: the header's value.
    /// - Throws: `VALIDATION_ERROR`.
    package func request(
        of principal: Principal, workspace: WorkspaceID?, method: String, pattern: String, path: String,
        keyText text: String, body: [UInt8]
    ) throws(Problem) -> KeyedRequest {
        let text = try IdempotencyKey.check(text)
        let fingerprint = body.withUnsafeBytes { self.fingerprint(target: "\(method) \(path)", body: $0) }
        return KeyedRequest(
            key: IdempotencyKey(
                workspace: workspace, route: "\(method) \(pattern) \(Self.name(of: principal))", text: text),
            fingerprint: fingerprint)
    }

    private static func name(of principal: Principal) -> String {
        switch principal.identity {
        case .operatorToken: "operator"
        case .key(let id): id.description
        // A person who signs in again is still the same.
        case .session(let id): principal.user?.description ?? id.description
        }
    }
}
