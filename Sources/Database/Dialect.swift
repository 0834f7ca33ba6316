/// What differs between the engines' SQL, by name. Everything else is written once, in the SQL that both speak.
package struct Dialect: Sendable, Equatable {
    package let name: String
    /// The type of a 64-bit integer column.
    package let int64: String
    /// The type of a column of text that is compared byte by byte, as identifiers and pages of them need it.
    package let text: String
    /// The type of a column of bytes.
    package let blob: String
    /// The type of a column of floating-point numbers.
    package let real: String
    /// What makes a table check the types of its columns.
    package let strict: String
    /// Put at the end of a SELECT: locks its rows, and passes over those that another transaction holds.
    package let skipLocked: String
    /// The statements that hide a table's rows from every workspace but their own, with `{table}` and `{column}`.
    private let isolation: [String]
    /// The statements that keep a table of no workspace to the system, with `{table}`.
    private let reservation: [String]

    /// A STRICT table of SQLite knows `INTEGER` only, and that has 64 bits. There is one writer, so no row is ever
    /// locked, and no second wall between workspaces.
    package static let sqlite = Dialect(
        name: "sqlite", int64: "INTEGER", text: "TEXT", blob: "BLOB", real: "REAL", strict: "STRICT", skipLocked: "",
        isolation: [], reservation: [])

    /// A database's own collation may be any, and then sorts identifiers as words of a language; `C` is the order of
    /// the bytes. FORCE holds the tables' owner to the policies too: the owner, who migrates, has one of its own.
    package static let postgres = Dialect(
        name: "postgres", int64: "BIGINT", text: #"TEXT COLLATE "C""#, blob: "BYTEA", real: "DOUBLE PRECISION",
        strict: "", skipLocked: " FOR UPDATE SKIP LOCKED",
        isolation: [
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            // After a transaction that set it locally, the setting reads as '', not as NULL.
            """
            CREATE POLICY {table}_of_workspace ON {table} TO volery_app
                USING ({column} = NULLIF(current_setting('app.workspace_id', true), ''))
                WITH CHECK ({column} = NULLIF(current_setting('app.workspace_id', true), ''))
            """,
            """
            CREATE POLICY {table}_of_all ON {table} TO volery_system, CURRENT_USER
                USING (true) WITH CHECK (true)
            """,
        ],
        reservation: ["REVOKE ALL ON {table} FROM volery_app"])

    private init(
        name: String, int64: String, text: String, blob: String, real: String, strict: String, skipLocked: String,
        isolation: [String], reservation: [String]
    ) {
        self.name = name
        self.int64 = int64
        self.text = text
        self.blob = blob
        self.real = real
        self.strict = strict
        self.skipLocked = skipLocked
        self.isolation = isolation
        self.reservation = reservation
    }

    /// A statement of the schema with `{int64}`, `{blob}`, `{real}`, `{strict}`, and the column type `TEXT` replaced by
    /// this engine's words.
    ///
    /// `TEXT` stands bare because migration 1 was released with it, and its checksum covers the text before rendering;
    /// so the word must mean a column's type wherever it stands in a migration.
    package func render(_ sql: String) -> String {
        sql.replacing("{int64}", with: int64).replacing("{blob}", with: blob).replacing("{real}", with: real)
            .replacing("{strict}", with: strict).replacing(/\bTEXT\b/, with: text)
    }

    /// The statements that one entry of a migration stands for: itself, rendered; what `isolation(of:by:)` gives for
    /// `{isolate TABLE COLUMN}`; what `reservation(of:)` gives for `{reserve TABLE}`.
    package func statements(_ entry: String) -> [String] {
        if let match = entry.wholeMatch(of: /\{isolate (\w+) (\w+)\}/) {
            return isolation(of: String(match.1), by: String(match.2))
        }
        if let match = entry.wholeMatch(of: /\{reserve (\w+)\}/) { return reservation(of: String(match.1)) }
        return [render(entry)]
    }

    /// What makes the database itself hide the rows of a table from every workspace but their own, and refuse to write
    /// them. None on SQLite.
    /// - Parameter column: holds the workspace's identifier.
    package func isolation(of table: String, by column: String) -> [String] {
        isolation.map { $0.replacing("{table}", with: table).replacing("{column}", with: column) }
    }

    /// What keeps a table whose rows belong to no workspace out of every workspace's reach. None on SQLite.
    package func reservation(of table: String) -> [String] {
        reservation.map { $0.replacing("{table}", with: table) }
    }
}
