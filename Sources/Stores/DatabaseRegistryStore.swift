package import Database
package import Inference
package import Kernel

/// Registered deployments as rows.
package struct DatabaseRegistryStore: RegistryStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func insert(_ deployment: Deployment) async throws {
        do {
            try await database.write(.system) { tx in
                try tx.run(
                    """
                    INSERT INTO deployment (id, model, environment, aliases, wire, endpoint, upstream_model,
                        capabilities, context_limit, provider_id, registered)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                    """,
                    [
                        deployment.id, deployment.model.text, deployment.environment.rawValue,
                        WordList.text(deployment.aliases.map(\.text)), deployment.wire.rawValue,
                        deployment.endpoint.description, deployment.upstreamModel,
                        WordList.text(deployment.capabilities.map(\.rawValue).sorted()), deployment.contextLimit,
                        deployment.provider, deployment.registered,
                    ])
            }
        } catch let failure as DatabaseFailure where failure.isDuplicate {
            throw Problem(
                .alreadyExists, "\(deployment.model) has a deployment at \(deployment.endpoint) already.",
                parameter: "endpoint", hint: "Deregister that one first, or register another endpoint.")
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }

    package func all() async throws -> [Deployment] {
        try await database.fetching(.system) { tx in
            try tx.rows("SELECT * FROM deployment ORDER BY model, id").map(Deployment.init(row:))
        }
    }

    package func remove(_ id: DeploymentID) async throws -> Deployment? {
        try await database.storing(.system) { tx in
            try tx.row("DELETE FROM deployment WHERE id = $1 RETURNING *", [id]).map(Deployment.init(row:))
        }
    }
}

extension Deployment {
    fileprivate init(row: Row) throws {
        guard let model = ModelName(try row.value("model", as: String.self)) else {
            throw DatabaseFailure.corrupt("column model holds no model name")
        }
        guard let endpoint = Endpoint(try row.value("endpoint", as: String.self)) else {
            throw DatabaseFailure.corrupt("column endpoint holds no endpoint")
        }
        self.init(
            id: try row.value("id"), model: model, environment: try row.value("environment"),
            aliases: try WordList.words(in: row.value("aliases")) { ModelName($0) }, wire: try row.value("wire"),
            endpoint: endpoint, upstreamModel: try row.value("upstream_model"),
            capabilities: Set(try WordList.words(in: row.value("capabilities")) { Capability(rawValue: $0) }),
            contextLimit: try row.value("context_limit"), provider: try row.value("provider_id"), origin: .registered,
            registered: try row.value("registered"))
    }
}
