import Kernel

/// Brings a database to the schema that this binary knows, or says why it does not touch it.
package struct Migrator: Sendable {
    private let migrations: [Migration]
    private let binary: BinaryVersion

    /// - Parameters:
    ///   - migrations: in order of number, from 1, without gaps.
    ///   - binary: the version of the running program.
    package init(_ migrations: [Migration], binary: BinaryVersion) {
        precondition(migrations.enumerated().allSatisfy { $0.offset + 1 == $0.element.number })
        self.migrations = migrations
        self.binary = binary
    }

    /// Applies what is missing, each step in a transaction of its own. Safe to call from several processes at once.
    /// - Returns: the numbers that this call applied.
    /// - Throws: `Problem(.schemaRefused)` for a changed migration, a gap, or one of a newer binary that
    ///   does not serve this one; what `DatabaseFailure.problem` says; `CancellationError`.
    package func migrate(_ database: some Database) async throws -> [Int] {
        do {
            try await database.write(.schema) { tx in try createTable(tx) }
            var applied: [Int] = []
            for migration in migrations {
                let isNew = try await database.write(.schema) { tx in try apply(migration, tx) }
                if isNew { applied.append(migration.number) }
            }
            return applied
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }

    private func createTable(_ tx: any Tx) throws {
        try tx.run(
            tx.dialect.render(
                """
                CREATE TABLE IF NOT EXISTS migration (
                    number {int64} PRIMARY KEY,
                    name TEXT NOT NULL,
                    checksum TEXT NOT NULL,
                    oldest_binary TEXT NOT NULL,
                    applied {int64} NOT NULL
                ) {strict}
                """))
        try check(tx.rows("SELECT number, name, checksum, oldest_binary FROM migration ORDER BY number"))
    }

    private func apply(_ migration: Migration, _ tx: any Tx) throws -> Bool {
        // Looked up again inside the transaction: another process may have been here first.
        let done = try tx.row("SELECT number FROM migration WHERE number = $1", [migration.number])
        guard done == nil else { return false }
        for statement in migration.statements.flatMap(tx.dialect.statements) { try tx.run(statement) }
        try tx.run(
            "INSERT INTO migration (number, name, checksum, oldest_binary, applied) VALUES ($1, $2, $3, $4, $5)",
            [migration.number, migration.name, migration.checksum, migration.oldestBinary.description, tx.now])
        return true
    }

    private func check(_ rows: [Row]) throws {
        for (index, row) in rows.enumerated() {
            let number: Int = try row.value("number")
            let name: String = try row.value("name")
            guard number == index + 1 else {
                throw refusal("The database lacks migration \(index + 1), but has \(number) (\(name)).")
            }
            if number <= migrations.count {
                guard try row.value("checksum") == migrations[index].checksum else {
                    throw refusal("Migration \(number) (\(name)) was applied with another content than this binary's.")
                }
            } else {
                try checkNewer(row, number: number, name: name)
            }
        }
    }

    private func checkNewer(_ row: Row, number: Int, name: String) throws {
        let text: String = try row.value("oldest_binary")
        guard let oldest = BinaryVersion(text) else {
            throw refusal("Migration \(number) (\(name)) names no readable version.")
        }
        guard oldest <= binary else {
            throw refusal(
                "Migration \(number) (\(name)) was made by a newer Volery and needs \(oldest) or later; "
                    + "this is \(binary).")
        }
    }

    private func refusal(_ message: String) -> Problem { Problem(.schemaRefused, message) }
}
