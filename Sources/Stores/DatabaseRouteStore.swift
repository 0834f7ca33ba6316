package import Database
package import Inference
package import Kernel

/// Decisions as rows: added, never changed, and removed when they are old. Those of requests with a usage row are in
/// `RouteBatches`, and were rows like the others before there were any.
package struct DatabaseRouteStore: RouteStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func insert(_ routes: [StoredRoute]) async throws {
        if routes.isEmpty { return }
        // In one order, as usage rows.
        var rows = RouteRows(routes.count)
        for route in routes.sorted(by: { $0.request < $1.request }) { rows.add(route) }
        try await database.storing(.system) { [rows] tx in try rows.insert(tx) }
    }

    package func route(of request: RequestID) async throws -> StoredRoute? {
        try await database.fetching(.system) { tx in
            let row = try tx.row("SELECT * FROM routing_decision WHERE request_id = $1", [request])
            return try row.map(StoredRoute.init(row:)) ?? RouteBatches.route(of: request, tx)
        }
    }

    package func prune(before: Instant, limit: Int) async throws -> Int {
        try await database.storing(.system) { tx in
            let single = try tx.run(
                """
                DELETE FROM routing_decision WHERE request_id IN (
                    SELECT request_id FROM routing_decision WHERE request_id < $1 ORDER BY request_id LIMIT $2)
                """,
                [RequestID.earliest(at: before), limit])
            return try single + RouteBatches.prune(before: before, limit: limit - single, tx)
        }
    }
}

/// Decisions of requests that have no usage row.
private struct RouteRows: Sendable {
    private static let inserting = RowsStatement(
        "INSERT INTO routing_decision (request_id, workspace_id, key_id, accepted, record)", columns: 5,
        " ON CONFLICT (request_id) DO NOTHING")

    private var rows: RowBlock

    /// - Parameter count: about as many as there will be.
    init(_ count: Int) { rows = Self.inserting.block(rows: count, rowBytes: RequestID.length + 256) }

    mutating func add(_ route: StoredRoute) {
        rows.add(route.request)
        rows.add(route.workspace)
        rows.add(route.key)
        rows.add(route.accepted)
        rows.add(route.record)
    }

    func insert(_ tx: any Tx) throws {
        if rows.count > 0 { try tx.run(Self.inserting, rows) }
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
