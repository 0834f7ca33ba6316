import Database

extension Schema {
    /// Why a request went where it went: kept for a time, by request. And whose endpoint each call went to; nobody's in
    /// rows from before.
    static let decisions = Migration(
        number: 6, name: "decisions", oldestBinary: BinaryVersion(0, 1, 0),
        statements: [
            "ALTER TABLE attempt ADD COLUMN provider_id TEXT",
            """
            CREATE TABLE routing_decision (
                request_id TEXT PRIMARY KEY,
                workspace_id TEXT NOT NULL,
                key_id TEXT,
                accepted {int64} NOT NULL,
                record {blob} NOT NULL
            ) {strict}
            """,
            // Those that are too old are found by it; nothing else is looked for.
            "CREATE INDEX routing_decision_by_time ON routing_decision (accepted)",
            "{isolate routing_decision workspace_id}",
        ])
}
