package import Database
package import Inference
package import Kernel

/// Registered deployments as rows.
package struct DatabaseRegistryStore: RegistryStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func insert(_ deployment: Deployment) async throws {
        try await storing(deployment) { tx in
            try tx.run(
                """
                INSERT INTO deployment (id, model, environment, wire, endpoint, provider_id, registered, aliases,
                    upstream_model, capabilities, context_limit, version, weight, priority, region, data_policies,
                    first_token, concurrency, enabled, revision)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
                """,
                deployment.lastingColumns + deployment.changingColumns)
        }
    }

    package func all() async throws -> [Deployment] {
        try await database.fetching(.system) { tx in
            try tx.rows("SELECT * FROM deployment ORDER BY model, id").map(Deployment.init(row:))
        }
    }

    package func update(
        _ id: DeploymentID, _ change: DeploymentChange, revision: Int64?
    ) async throws -> Deployment? {
        try await storing(nil) { tx in
            let row = try tx.row("SELECT * FROM deployment WHERE id = $1" + tx.dialect.locked, [id])
            guard let old = try row.map(Deployment.init(row:)) else { return nil }
            if let revision, revision != old.revision { throw old.isNewer(than: revision) }
            let new = old.changed(by: change)
            guard new != old else { return old }
            let twin = try tx.row(
                """
                SELECT 1 AS n FROM deployment WHERE id <> $1 AND model = $2 AND environment = $3 AND endpoint = $4
                    AND upstream_model = $5 AND COALESCE(provider_id, '') = $6
                """,
                [
                    id, new.model.text, new.environment.rawValue, new.endpoint.description, new.upstreamModel,
                    new.provider?.description ?? "",
                ])
            if twin != nil { throw new.hasTwin }
            try tx.run(
                """
                UPDATE deployment SET aliases = $2, upstream_model = $3, capabilities = $4, context_limit = $5,
                    version = $6, weight = $7, priority = $8, region = $9, data_policies = $10, first_token = $11,
                    concurrency = $12, enabled = $13, revision = $14
                WHERE id = $1
                """,
                [id] + new.changingColumns)
            return new
        }
    }

    package func remove(_ id: DeploymentID) async throws -> Deployment? {
        try await database.storing(.system) { tx in
            try tx.row("DELETE FROM deployment WHERE id = $1 RETURNING *", [id]).map(Deployment.init(row:))
        }
    }

    /// - Parameter deployment: what the database finds a duplicate of; nil where the body looks by itself.
    @discardableResult
    private func storing<T: Sendable>(
        _ deployment: Deployment?, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        do {
            return try await database.write(.system, body)
        } catch let failure as DatabaseFailure where failure.isDuplicate {
            throw deployment?.hasTwin ?? Problem(.alreadyExists, parameter: "endpoint")
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }
}
