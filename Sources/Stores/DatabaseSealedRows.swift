package import Database
package import Kernel
package import Tenancy

/// Sealed values as rows. They belong to the platform.
package struct DatabaseSealedRows: SealedRows {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func put(_ row: SealedRow) async throws {
        try await database.storing(.system) { tx in
            try tx.run(
                """
                INSERT INTO secret (name, sealed, stored) VALUES ($1, $2, $3)
                ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, stored = excluded.stored
                """,
                [row.name, Bytes(row.sealed), row.stored])
            try Self.announce(row.name, tx)
        }
    }

    package func add(_ row: SealedRow) async throws -> SealedRow {
        try await database.storing(.system) { tx in
            let isNew = try tx.run(
                "INSERT INTO secret (name, sealed, stored) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
                [row.name, Bytes(row.sealed), row.stored])
            if isNew == 1 { try Self.announce(row.name, tx) }
            guard let kept = try Self.row(named: row.name, tx) else {
                throw DatabaseFailure.corrupt("a row vanished inside its transaction")
            }
            return kept
        }
    }

    package func replace(_ name: String, _ old: [UInt8], with new: [UInt8]) async throws -> Bool {
        try await database.storing(.system) { tx in
            try tx.run(
                "UPDATE secret SET sealed = $3 WHERE name = $1 AND sealed = $2", [name, Bytes(old), Bytes(new)]) == 1
        }
    }

    package func row(named name: String) async throws -> SealedRow? {
        try await database.fetching(.system) { tx in try Self.row(named: name, tx) }
    }

    package func all() async throws -> [SealedRow] {
        try await database.fetching(.system) { tx in
            try tx.rows("SELECT * FROM secret ORDER BY name").map(SealedRow.init(row:))
        }
    }

    package func remove(named name: String) async throws {
        try await database.storing(.system) { tx in
            let isGone = try tx.run("DELETE FROM secret WHERE name = $1", [name])
            if isGone == 1 { try Self.announce(name, tx) }
        }
    }

    package func announceProviders() async throws {
        try await database.storing(.system) { tx in try tx.revoke(.providers, of: nil) }
    }

    private static func row(named name: String, _ tx: any Tx) throws -> SealedRow? {
        try tx.row("SELECT * FROM secret WHERE name = $1", [name]).map(SealedRow.init(row:))
    }

    private static func announce(_ name: String, _ tx: any Tx) throws {
        if name.hasPrefix("provider/") { try tx.revoke(.providers, of: nil) }
    }
}

extension SealedRow {
    fileprivate init(row: Row) throws {
        self.init(
            name: try row.value("name"), sealed: try row.value("sealed", as: Bytes.self).bytes,
            stored: try row.value("stored"))
    }
}

/// What the database remembers of the master key, as a row.
package struct DatabaseMasterKeyRecord: MasterKeyRecord {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func check() async throws -> [UInt8]? {
        try await database.fetching(.system) { tx in try Self.check(tx) }
    }

    package func remember(_ check: [UInt8]) async throws -> [UInt8] {
        try await database.storing(.system) { tx in
            try tx.run(
                "INSERT INTO master_key_check (id, value) VALUES (1, $1) ON CONFLICT (id) DO NOTHING", [Bytes(check)])
            guard let known = try Self.check(tx) else {
                throw DatabaseFailure.corrupt("a row vanished inside its transaction")
            }
            return known
        }
    }

    package func replace(_ old: [UInt8], with new: [UInt8]) async throws -> Bool {
        try await database.storing(.system) { tx in
            try tx.run("UPDATE master_key_check SET value = $2 WHERE id = 1 AND value = $1", [Bytes(old), Bytes(new)])
                == 1
        }
    }

    private static func check(_ tx: any Tx) throws -> [UInt8]? {
        try tx.row("SELECT value FROM master_key_check WHERE id = 1")?.value("value", as: Bytes.self).bytes
    }
}

/// The sealed shared secrets of one-time codes, in the rows of their accounts.
package struct DatabaseSealedCodes: SealedCodes {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func all() async throws -> [(user: UserID, sealed: [UInt8])] {
        try await database.fetching(.system) { tx in
            try tx.rows("SELECT id, totp FROM account WHERE totp IS NOT NULL ORDER BY id").map { row in
                (try row.value("id"), try row.value("totp", as: Bytes.self).bytes)
            }
        }
    }

    package func replace(_ old: [UInt8], with new: [UInt8], of user: UserID) async throws -> Bool {
        try await database.storing(.system) { tx in
            try tx.run(
                "UPDATE account SET totp = $3 WHERE id = $1 AND totp = $2", [user, Bytes(old), Bytes(new)]) == 1
        }
    }
}
