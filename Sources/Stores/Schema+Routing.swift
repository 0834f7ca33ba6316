import Database

extension Schema {
    /// What operators say of a deployment, and what workspaces set for their routing.
    ///
    /// The table of deployments is made anew, because SQLite cannot drop its old rule of uniqueness: one endpoint may
    /// serve a model service as several models of its own, and under several providers' keys.
    static let routing = Migration(
        number: 5, name: "routing", oldestBinary: BinaryVersion(0, 1, 0),
        statements: deployments + workspaces)

    private static let deployments = [
        """
        CREATE TABLE deployment_next (
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
            provider_id TEXT REFERENCES provider (id),
            version TEXT,
            weight {int64} NOT NULL DEFAULT 100,
            priority {int64} NOT NULL DEFAULT 0,
            region TEXT,
            data_policies TEXT NOT NULL DEFAULT '',
            first_token {int64},
            concurrency TEXT,
            enabled {int64} NOT NULL DEFAULT 1,
            revision {int64} NOT NULL DEFAULT 1
        ) {strict}
        """,
        """
        INSERT INTO deployment_next (id, model, environment, aliases, wire, endpoint, upstream_model, capabilities,
            context_limit, registered, provider_id)
        SELECT id, model, environment, aliases, wire, endpoint, upstream_model, capabilities, context_limit, registered,
            provider_id
        FROM deployment
        """,
        "DROP TABLE deployment",
        "ALTER TABLE deployment_next RENAME TO deployment",
        """
        CREATE UNIQUE INDEX deployment_of_service
            ON deployment (model, environment, endpoint, upstream_model, COALESCE(provider_id, ''))
        """,
        "{reserve deployment}",
    ]

    /// `hints` holds words such as `llm:fa-medium=qwen-7b`: no model's name has an equals sign.
    private static let workspaces = [
        """
        CREATE TABLE workspace_routing (
            workspace_id TEXT PRIMARY KEY REFERENCES workspace (id),
            strategy TEXT NOT NULL,
            regions TEXT NOT NULL,
            data_policies TEXT NOT NULL,
            most_cost {int64},
            currency TEXT NOT NULL,
            most_latency {int64},
            sticky TEXT,
            attempts {int64} NOT NULL,
            output_cap {int64},
            priority TEXT NOT NULL,
            hints TEXT NOT NULL,
            changed {int64} NOT NULL
        ) {strict}
        """,
        "{isolate workspace_routing workspace_id}",
        // Nodes look again and again, and read all of it only when it has changed.
        "{counter routing}",
    ]
}
