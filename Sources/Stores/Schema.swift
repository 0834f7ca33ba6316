package import Database

/// Every migration, in order. Portable SQL; one that was released is never edited.
package enum Schema {
    package static let migrations = [spine, isolation, tenancy, money, routing, decisions, lighter, bundles, batches]

    /// Instants are microseconds since 1970. Text is compared byte by byte: SQLite does so by itself, PostgreSQL
    /// because `Dialect.render` gives every `TEXT` column the collation `C`.
    private static let spine = Migration(
        number: 1, name: "spine", oldestBinary: BinaryVersion(0, 1, 0),
        statements: [
            """
            CREATE TABLE tenant (
                id TEXT PRIMARY KEY,
                name TEXT NOT NULL UNIQUE,
                created {int64} NOT NULL
            ) {strict}
            """,
            """
            CREATE TABLE workspace (
                id TEXT PRIMARY KEY,
                tenant_id TEXT NOT NULL REFERENCES tenant (id),
                name TEXT NOT NULL,
                created {int64} NOT NULL,
                UNIQUE (tenant_id, name)
            ) {strict}
            """,
            """
            CREATE TABLE api_key (
                id TEXT PRIMARY KEY,
                tenant_id TEXT NOT NULL REFERENCES tenant (id),
                workspace_id TEXT NOT NULL REFERENCES workspace (id),
                name TEXT NOT NULL,
                prefix TEXT NOT NULL UNIQUE,
                hash TEXT NOT NULL,
                created {int64} NOT NULL,
                expires {int64},
                revoked {int64}
            ) {strict}
            """,
            "CREATE INDEX api_key_by_workspace ON api_key (workspace_id, id)",
            """
            CREATE TABLE deployment (
                id TEXT PRIMARY KEY,
                model TEXT NOT NULL,
                environment TEXT NOT NULL,
                aliases TEXT NOT NULL,
                wire TEXT NOT NULL,
                endpoint TEXT NOT NULL,
                upstream_model TEXT NOT NULL,
                capabilities TEXT NOT NULL,
                context_limit {int64},
                registered {int64} NOT NULL,
                UNIQUE (model, environment, endpoint)
            ) {strict}
            """,
            // No foreign keys and no checks: a row says what has happened, and refusing it would not undo that.
            """
            CREATE TABLE usage (
                request_id TEXT PRIMARY KEY,
                client_request TEXT,
                workspace_id TEXT NOT NULL,
                key_id TEXT NOT NULL,
                operation TEXT NOT NULL,
                model TEXT NOT NULL,
                deployment_id TEXT NOT NULL,
                is_stream {int64} NOT NULL,
                status TEXT NOT NULL,
                http_status {int64} NOT NULL,
                error_code TEXT,
                input_tokens {int64} NOT NULL,
                output_tokens {int64} NOT NULL,
                count_source TEXT NOT NULL,
                started {int64} NOT NULL,
                latency {int64} NOT NULL,
                first_token {int64}
            ) {strict}
            """,
            "CREATE INDEX usage_by_workspace ON usage (workspace_id, request_id)",
            "CREATE INDEX usage_by_time ON usage (workspace_id, started)",
        ])

    /// The second wall, on PostgreSQL: a workspace's rows are hidden from every other by the database itself, and
    /// tables that belong to none are out of its reach. Keys that refer to a tenant still hold: the database checks
    /// those by itself.
    private static let isolation = Migration(
        number: 2, name: "isolation", oldestBinary: BinaryVersion(0, 1, 0),
        statements: [
            "{isolate workspace id}", "{isolate api_key workspace_id}", "{isolate usage workspace_id}",
            "{reserve tenant}", "{reserve deployment}", "{reserve migration}",
        ])
}
