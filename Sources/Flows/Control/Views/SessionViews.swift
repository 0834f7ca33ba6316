package import Kernel

/// A session that was just begun, with its token: the only value that carries one to its owner.
package struct NewSession: Sendable, Encodable {
    package let id: SessionID
    package let user: UserID
    package let token: Secret
    package let expires: Instant

    package init(id: SessionID, user: UserID, token: Secret, expires: Instant) {
        self.id = id
        self.user = user
        self.token = token
        self.expires = expires
    }

    private enum CodingKeys: String, CodingKey { case id, user = "user_id", token, expires }

    /// Reveals the token, which is this type's purpose.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(id, forKey: .id)
        try members.encode(user, forKey: .user)
        try members.encode(token.reveal(), forKey: .token)
        try members.encode(expires, forKey: .expires)
    }
}

package struct EndedSession: Sendable, Codable, Equatable {
    package let id: SessionID
    package let ended: Instant

    package init(id: SessionID, ended: Instant) {
        self.id = id
        self.ended = ended
    }
}
