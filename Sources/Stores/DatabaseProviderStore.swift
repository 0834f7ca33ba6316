package import Database
package import Inference
package import Kernel
import Tenancy

/// Outside providers as rows. They belong to the platform.
package struct DatabaseProviderStore: ProviderStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func insert(_ provider: Provider) async throws {
        do {
            try await database.write(.system) { tx in
                let isNew = try tx.run(
                    """
                    INSERT INTO provider (id, name, wire, endpoint, created) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT (id) DO NOTHING
                    """,
                    [
                        provider.id, provider.name, provider.wire.rawValue, provider.endpoint.description,
                        provider.created,
                    ])
                guard isNew == 1 else { return }
                try tx.revoke(.providers, of: nil)
                // Prices may name it.
                try tx.spendingChanged()
            }
        } catch let failure as DatabaseFailure where failure.isDuplicate {
            throw Problem(
                .alreadyExists, "There is a provider \(provider.name) already.", parameter: "name",
                hint: "Give it a new key, remove it first, or use another name.")
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }

    package func all() async throws -> [Provider] {
        try await database.fetching(.system) { tx in
            try tx.rows("SELECT * FROM provider ORDER BY name").map(Provider.init(row:))
        }
    }

    package func remove(_ id: ProviderID) async throws -> Provider? {
        try await database.storing(.system) { tx in
            let users = try tx.row("SELECT COUNT(*) AS n FROM deployment WHERE provider_id = $1", [id])
            let count: Int = try users?.value("n") ?? 0
            guard count == 0 else {
                throw Problem(
                    .conflict,
                    count == 1 ? "A deployment uses the provider." : "\(count) deployments use the provider.",
                    parameter: "id", hint: "Deregister it first; `volery registry list` shows the deployments.")
            }
            let row = try tx.row("DELETE FROM provider WHERE id = $1 RETURNING *", [id])
            guard let provider = try row.map(Provider.init(row:)) else { return nil }
            try tx.revoke(.providers, of: nil)
            return provider
        }
    }
}

extension Provider {
    fileprivate init(row: Row) throws {
        guard let endpoint = Endpoint(try row.value("endpoint", as: String.self)) else {
            throw DatabaseFailure.corrupt("column endpoint holds no endpoint")
        }
        self.init(
            id: try row.value("id"), name: try row.value("name"), wire: try row.value("wire"), endpoint: endpoint,
            created: try row.value("created"))
    }
}
