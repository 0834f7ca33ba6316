import Database
import Stores
import Testing

@Suite struct SchemaTests {
    @Test("a migration that was released has not changed")
    func releasedMigrations() {
        let released = [1: "2b647d0a6fc2ac8f", 2: "ca9b1eafdfa5ed09"]
        for (number, checksum) in released {
            #expect(Schema.migrations.first { $0.number == number }?.checksum == checksum)
        }
    }

    @Test(
        "on SQLite nothing isolates workspaces, and no statement is left unrendered",
        arguments: [Dialect.sqlite, .postgres])
    func rendering(dialect: Dialect) {
        let statements = Schema.migrations.flatMap(\.statements).flatMap(dialect.statements)
        #expect(statements.allSatisfy { !$0.contains("{") && !$0.contains("}") })
        #expect(statements.contains { $0.contains("POLICY") } == (dialect == .postgres))
    }
}
