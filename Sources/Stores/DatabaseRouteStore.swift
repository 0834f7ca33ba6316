package import Database
package import Inference
package import Kernel

/// Decisions as rows: added, never changed, and removed when they are old.
package struct DatabaseRouteStore: RouteStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func insert(_ routes: [StoredRoute]) async throws {
        if routes.isEmpty { return }
        try await database.storing(.system) { tx in try RouteRows.insert(routes, tx) }
    }

    package func route(of request: RequestID) async throws -> StoredRoute? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT * FROM routing_decision WHERE request_id = $1", [request]).map(StoredRoute.init(row:))
        }
    }

    package func prune(before: Instant, limit: Int) async throws -> Int {
        try await database.storing(.system) { tx in
            try tx.run(
                """
                DELETE FROM routing_decision WHERE request_id IN (
                    SELECT request_id FROM routing_decision WHERE accepted < $1 ORDER BY accepted LIMIT $2)
                """,
                [before, limit])
        }
    }
}

/// Decisions beside usage rows, in the same transaction.
enum RouteRows {
    private static let inserting = RowsStatement(
        "INSERT INTO routing_decision (request_id, workspace_id, key_id, accepted, record)", columns: 5,
        " ON CONFLICT (request_id) DO NOTHING")

    static func insert(_ records: [UsageRecord], _ tx: any Tx) throws {
        let routes = records.compactMap { record -> StoredRoute? in
            if record.route.isEmpty { return nil }
            return StoredRoute(
                request: record.request, workspace: record.workspace, key: record.key, accepted: record.started,
                record: record.route)
        }
        if !routes.isEmpty { try insert(routes, tx) }
    }

    static func insert(_ routes: [StoredRoute], _ tx: any Tx) throws {
        // In one order, as usage rows.
        let sorted = routes.sorted { $0.request < $1.request }
        try inserting.run(
            sorted.map { route -> [any SQLRepresentable] in
                [route.request, route.workspace, route.key, route.accepted, Bytes(route.record)]
            }, tx)
    }
}

extension StoredRoute {
    fileprivate init(row: Row) throws {
        self.init(
            request: try row.value("request_id"), workspace: try row.value("workspace_id"),
            key: try row.value("key_id"), accepted: try row.value("accepted"),
            record: try row.value("record", as: Bytes.self).bytes)
    }
}
