package import Database
package import Inference
package import Kernel

/// The workspaces' routing as rows.
package struct DatabaseRoutingStore: RoutingStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func put(_ stored: StoredRouting) async throws {
        try await database.storing(.workspace(stored.workspace)) { tx in
            try tx.run(
                """
                INSERT INTO workspace_routing (workspace_id, strategy, regions, data_policies, most_cost, currency,
                    most_latency, sticky, attempts, output_cap, priority, hints, changed)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
                ON CONFLICT (workspace_id) DO UPDATE SET strategy = $2, regions = $3, data_policies = $4,
                    most_cost = $5, currency = $6, most_latency = $7, sticky = $8, attempts = $9, output_cap = $10,
                    priority = $11, hints = $12, changed = $13
                """,
                [stored.workspace] + stored.routing.columns + [stored.changed])
            try tx.routingChanged()
        }
    }

    package func version() async throws -> Int64 {
        try await database.fetching(.system) { tx in
            guard let row = try tx.row("SELECT last FROM routing_counter") else {
                throw DatabaseFailure.corrupt("routing_counter has no row")
            }
            return try row.value("last")
        }
    }

    package func all() async throws -> [StoredRouting] {
        try await database.fetching(.system) { tx in
            try tx.rows("SELECT * FROM workspace_routing ORDER BY workspace_id").map(StoredRouting.init(row:))
        }
    }

    package func routing(of workspace: WorkspaceID) async throws -> StoredRouting? {
        try await database.fetching(.workspace(workspace)) { tx in
            try tx.row("SELECT * FROM workspace_routing WHERE workspace_id = $1", [workspace])
                .map(StoredRouting.init(row:))
        }
    }

    package func remove(_ workspace: WorkspaceID) async throws -> StoredRouting? {
        try await database.storing(.workspace(workspace)) { tx in
            let row = try tx.row("DELETE FROM workspace_routing WHERE workspace_id = $1 RETURNING *", [workspace])
            guard let removed = try row.map(StoredRouting.init(row:)) else { return nil }
            try tx.routingChanged()
            return removed
        }
    }
}

extension Tx {
    /// Nodes that look read the workspaces' routing anew.
    func routingChanged() throws { _ = try row(dialect.draw(from: "routing"), []) }
}

extension WorkspaceRouting {
    /// From `strategy` to `hints`.
    fileprivate var columns: [any SQLRepresentable] {
        [
            policy.strategy.rawValue, WordList.text(policy.regions.sorted()),
            WordList.text(policy.dataPolicies.sorted()), policy.mostCost, currency.rawValue, policy.mostLatency,
            sticky?.rawValue, mostAttempts, outputCap, priority.rawValue,
            WordList.text(hints.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }),
        ]
    }

    fileprivate init(row: Row) throws {
        var sticky: Sticky?
        if let text: String = try row.value("sticky") {
            guard let known = Sticky(rawValue: text) else {
                throw DatabaseFailure.corrupt("column sticky holds no known \(Sticky.self)")
            }
            sticky = known
        }
        let hints = try WordList.words(in: row.value("hints")) { word -> (ModelName, ModelName)? in
            let parts = word.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2, let hint = ModelName(String(parts[0])), let model = ModelName(String(parts[1]))
            else { return nil }
            return (hint, model)
        }
        self.init(
            policy: RoutingPolicy(
                strategy: try row.value("strategy"), regions: Set(try WordList.words(in: row.value("regions")) { $0 }),
                dataPolicies: Set(try WordList.words(in: row.value("data_policies")) { $0 }),
                mostCost: try row.value("most_cost"), mostLatency: try row.value("most_latency")),
            currency: try row.value("currency"), sticky: sticky, mostAttempts: try row.value("attempts"),
            outputCap: try row.value("output_cap"), priority: try row.value("priority"),
            hints: Dictionary(hints) { first, _ in first })
    }
}

extension StoredRouting {
    fileprivate init(row: Row) throws {
        self.init(
            workspace: try row.value("workspace_id"), routing: try WorkspaceRouting(row: row),
            changed: try row.value("changed"))
    }
}
