import Database

extension Schema {
    /// Decisions of requests with a usage row: those of a settlement that are of one workspace and one second are one
    /// row. Binaries from before do not see them, and explain fewer requests.
    static let batches = Migration(
        number: 9, name: "batches", oldestBinary: BinaryVersion(0, 1, 0),
        statements: [
            """
            CREATE TABLE routing_batch (
                second {int64} NOT NULL,
                workspace_id TEXT NOT NULL,
                first_request TEXT NOT NULL,
                last_request TEXT NOT NULL,
                decisions {blob} NOT NULL,
                PRIMARY KEY (second, workspace_id, first_request)
            ) {strict}
            """,
            "{isolate routing_batch workspace_id}",
        ])
}
