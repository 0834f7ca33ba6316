import Flows
import HTTPTypes
import Kernel
import Tenancy

extension NewKey: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.expiresIn.rawValue] }
    static var hints: [String: String] { ["expires": "Write a time as RFC 3339: 2027-01-31T00:00:00Z."] }
}

extension KeyRotation: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.overlapSeconds.rawValue] }
}

extension ControlAPI {
    var keyRoutes: [Route] {
        [
            .admin(.post, "keys", .keyWrite, or: .memberWrite) { asked in
                try Self.shownOnce(await asked.control.createKey(asked.body(NewKey.self)))
            },
            .admin(.get, "keys", .keyRead) { asked in
                let query = try asked.query("workspace", "limit", "after")
                return try .json(
                    await asked.control.listKeys(in: query.identifier("workspace"), query.page(of: KeyID.self)))
            },
            .admin(.get, "keys/:id", .keyRead) { asked in try .json(await asked.control.key(asked.identifier())) },
            .admin(.delete, "keys/:id", .keyWrite) { asked in
                try .json(await asked.control.revokeKey(asked.identifier()))
            },
            .admin(.post, "keys/:id/rotate", .keyWrite, or: .memberWrite) { asked in
                let id = try asked.identifier(KeyKind.self)
                let rotation = try await asked.optionalBody(KeyRotation.self, otherwise: KeyRotation())
                return try Self.shownOnce(await asked.control.rotateKey(id, rotation))
            },
        ]
    }

    /// A repeat learns which key there is, and never its secret.
    private static func shownOnce(_ created: CreatedKey) throws -> Reply {
        try Reply.created(created).once(
            repeated: Problem(
                .idempotencyConflict,
                "A request with this idempotency key made the key \(created.view.id); its secret was shown once.",
                parameter: "Idempotency-Key",
                hint: "Use that secret. If it is lost, revoke the key and make another with a new idempotency key.",
                members: ["key_id": created.view.id.description]))
    }
}
