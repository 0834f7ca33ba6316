/// What differs between the engines' SQL, by name. Everything else is written once, in the SQL that both speak.
package struct Dialect: Sendable, Equatable {
    package let name: String
    /// The type of a 64-bit integer column.
    package let int64: String
    /// What makes a table check the types of its columns.
    package let strict: String

    /// A STRICT table of SQLite knows `INTEGER` only, and that has 64 bits.
    package static let sqlite = Dialect(name: "sqlite", int64: "INTEGER", strict: "STRICT")

    package init(name: String, int64: String, strict: String) {
        self.name = name
        self.int64 = int64
        self.strict = strict
    }

    /// The statement with `{int64}` and `{strict}` replaced by this engine's words.
    package func render(_ sql: String) -> String {
        sql.replacing("{int64}", with: int64).replacing("{strict}", with: strict)
    }
}
