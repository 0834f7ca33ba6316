package import Kernel

/// A caller's promise that requests with the same key are one request. Kept for a day.
package struct IdempotencyKey: Sendable, Hashable {
    package static let longest = 255
    package static let lifetime = Duration.seconds(86_400)

    /// Nil for what an operator does to the platform.
    package let workspace: WorkspaceID?
    /// Method and path pattern: `POST /v1/chat/completions`.
    package let route: String
    /// As the caller sent it: 1 to 255 printable ASCII characters.
    package let text: String

    package init(workspace: WorkspaceID?, route: String, text: String) {
        self.workspace = workspace
        self.route = route
        self.text = text
    }

    /// Reads the header's value.
    /// - Throws: `VALIDATION_ERROR`.
    package static func check(_ text: String) throws(Problem) -> String {
        guard (1...longest).contains(text.utf8.count), text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }),
            !text.allSatisfy({ $0 == " " })
        else {
            throw Problem(
                .validationError, "`Idempotency-Key` must have 1 to 255 printable ASCII characters.",
                parameter: "Idempotency-Key", hint: "Use a UUID, and the same one when you send the request again.")
        }
        return text
    }
}

/// The right to carry out a keyed request, until `expires`. Whoever holds an older epoch changes nothing any more.
package struct IdempotencyLease: Sendable, Hashable {
    package let key: IdempotencyKey
    package let epoch: Int64
    /// By the database's clock.
    package let expires: Instant

    package init(key: IdempotencyKey, epoch: Int64, expires: Instant) {
        self.key = key
        self.epoch = epoch
        self.expires = expires
    }
}

/// An answer as it went out, to be given again.
package struct StoredAnswer: Sendable, Hashable {
    package let status: Int
    package let contentType: String
    /// Of a stream, all its bytes as the client got them.
    package let body: [UInt8]

    package init(status: Int, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

package enum IdempotencyClaim: Sendable, Hashable {
    /// The caller carries it out.
    case granted(IdempotencyLease)
    /// It was carried out already.
    case answered(StoredAnswer)
    /// Somebody carries it out now: ask again.
    case running
    /// The key was used for another request.
    case conflict
}

/// What keyed requests have come to. Throws as `KeyStore`.
package protocol IdempotencyStore: Sendable {
    /// Takes the lease if nobody has a living one.
    /// - Parameter fingerprint: 32 bytes of a hash over the body.
    func claim(
        _ key: IdempotencyKey, fingerprint: [UInt8], leaseFor duration: Duration
    ) async throws -> IdempotencyClaim
    /// - Returns: the lease with its new end; nil when it was lost.
    func renew(_ lease: IdempotencyLease, for duration: Duration) async throws -> IdempotencyLease?
    /// Keeps the answer for `IdempotencyKey.lifetime`. Durable when it returns.
    /// - Returns: false when the lease was lost: somebody else's answer counts.
    func complete(_ lease: IdempotencyLease, with answer: StoredAnswer) async throws -> Bool
    /// Gives the lease up without an answer: the next request with the key is carried out.
    func release(_ lease: IdempotencyLease) async throws
    /// Drops what is older than its lifetime, at most `limit` at once.
    /// - Returns: how many went.
    func prune(limit: Int) async throws -> Int
}
