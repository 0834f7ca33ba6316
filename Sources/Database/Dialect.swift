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
    /// Put at the end of a SELECT: locks its rows, in the order of its ORDER BY, and shows them as they are then.
    package let locked: String
    /// The same, beside others who only want that the rows stay as they are.
    package let sharing: String
    /// What a migration's entries in braces stand for.
    private let wall: SecondWall

    /// A STRICT table of SQLite knows `INTEGER` only, and that has 64 bits. There is one writer, so no row is ever
    /// locked, and no second wall between workspaces.
    package static let sqlite = Dialect(
        name: "sqlite", int64: "INTEGER", text: "TEXT", blob: "BLOB", real: "REAL", strict: "STRICT", skipLocked: "",
        locked: "", sharing: "", wall: .sqlite)

    /// A database's own collation may be any, and then sorts identifiers as words of a language; `C` is the order of
    /// the bytes.
    package static let postgres = Dialect(
        name: "postgres", int64: "BIGINT", text: #"TEXT COLLATE "C""#, blob: "BYTEA", real: "DOUBLE PRECISION",
        strict: "", skipLocked: " FOR UPDATE SKIP LOCKED", locked: " FOR UPDATE", sharing: " FOR SHARE",
        wall: .postgres)

    private init(
        name: String, int64: String, text: String, blob: String, real: String, strict: String, skipLocked: String,
        locked: String, sharing: String, wall: SecondWall
    ) {
        self.name = name
        self.int64 = int64
        self.text = text
        self.blob = blob
        self.real = real
        self.strict = strict
        self.skipLocked = skipLocked
        self.locked = locked
        self.sharing = sharing
        self.wall = wall
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

    /// The statements that one entry of a migration stands for: itself, rendered, or what `SecondWall` makes of one in
    /// braces.
    package func statements(_ entry: String) -> [String] { wall.statements(entry) ?? [render(entry)] }

    /// The statement that draws the next number of a counter, as column `number`; see `{counter NAME}`. The numbers
    /// that are committed have no gaps, and are in the order of commits: whoever draws one holds the others up until
    /// then.
    package func draw(from counter: String) -> String { wall.draw(from: counter) }
}
