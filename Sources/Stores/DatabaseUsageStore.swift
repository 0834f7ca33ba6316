package import Database
package import Inference
package import Kernel

/// Usage as rows: added, never changed.
package struct DatabaseUsageStore: UsageStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func insert(_ records: [UsageRecord]) async throws {
        if records.isEmpty { return }
        try await database.storing(.system) { tx in
            var rest = records[...]
            for insert in UsageInsert.all {
                while rest.count >= insert.rows {
                    try tx.run(insert.sql, rest.prefix(insert.rows).flatMap(\.values))
                    rest = rest.dropFirst(insert.rows)
                }
            }
        }
    }

    package func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<UsageRecord> {
        let cursor = try page.cursor(RequestKind.self)
        let rows = try await database.fetching(.workspace(workspace)) { tx in
            try tx.rows(
                """
                SELECT * FROM usage WHERE workspace_id = $1 AND request_id < $2
                ORDER BY request_id DESC LIMIT $3
                """,
                [workspace, cursor, page.limit + 1]
            ).map(UsageRecord.init(row:))
        }
        return Page(rows: rows, limit: page.limit) { $0.request.description }
    }

    package func summary(in workspace: WorkspaceID, days: Int, until now: Instant) async throws -> [UsageSummary] {
        let today = now.microseconds / microsecondsPerDay
        let first = Instant(microseconds: (today - Int64(max(days, 1) - 1)) * microsecondsPerDay)
        return try await database.fetching(.workspace(workspace)) { tx in
            try tx.rows(
                """
                SELECT started / 86400000000 AS day, model, key_id, COUNT(*) AS requests,
                    CAST(SUM(CASE WHEN status = 'succeeded' THEN 0 ELSE 1 END) AS BIGINT) AS unsuccessful,
                    CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
                    CAST(SUM(output_tokens) AS BIGINT) AS output_tokens
                FROM usage WHERE workspace_id = $1 AND started >= $2 AND started <= $3
                GROUP BY started / 86400000000, model, key_id
                ORDER BY day DESC, model, key_id
                """,
                [workspace, first, now]
            ).map(UsageSummary.init(row:))
        }
    }
}

/// The insertion of so many rows in one statement. There are few lengths, so that an engine prepares each once.
private struct UsageInsert {
    let rows: Int
    let sql: String

    /// The longest first; the last takes a single row. 850 values are well below what either engine binds.
    static let all = [50, 10, 1].map(UsageInsert.init)

    private init(rows: Int) {
        let columns = 17
        let tuples = (0..<rows).map { row -> String in
            let places = (1...columns).map { column -> String in "$" + String(row * columns + column) }
            return "(" + places.joined(separator: ", ") + ")"
        }
        self.rows = rows
        sql =
            """
            INSERT INTO usage (request_id, client_request, workspace_id, key_id, operation, model, deployment_id,
                is_stream, status, http_status, error_code, input_tokens, output_tokens, count_source, started,
                latency, first_token)
            VALUES
            """ + " " + tuples.joined(separator: ", ") + " ON CONFLICT (request_id) DO NOTHING"
    }
}

extension UsageRecord {
    /// In the order of the insertion's columns.
    fileprivate var values: [any SQLRepresentable] {
        [
            request, clientRequest, workspace, key, operation.rawValue, model, deployment, isStream, status.rawValue,
            httpStatus, errorCode, usage.inputTokens, usage.outputTokens, usage.source.rawValue, started, latency,
            firstToken,
        ]
    }
}

private let microsecondsPerDay: Int64 = 86_400_000_000

extension UsageRecord {
    fileprivate init(row: Row) throws {
        let usage = Usage(
            inputTokens: try row.value("input_tokens"), outputTokens: try row.value("output_tokens"),
            source: try row.value("count_source"))
        self.init(
            request: try row.value("request_id"), clientRequest: try row.value("client_request"),
            workspace: try row.value("workspace_id"), key: try row.value("key_id"),
            operation: try row.value("operation"), model: try row.value("model"),
            deployment: try row.value("deployment_id"), isStream: try row.value("is_stream"),
            status: try row.value("status"), httpStatus: try row.value("http_status"),
            errorCode: try row.value("error_code"), usage: usage, started: try row.value("started"),
            latency: try row.value("latency"), firstToken: try row.value("first_token"))
    }
}

extension UsageSummary {
    fileprivate init(row: Row) throws {
        let day: Int64 = try row.value("day")
        self.init(
            day: String(Instant(microseconds: day * microsecondsPerDay).description.prefix(10)),
            model: try row.value("model"), key: try row.value("key_id"), requests: try row.value("requests"),
            unsuccessful: try row.value("unsuccessful"), inputTokens: try row.value("input_tokens"),
            outputTokens: try row.value("output_tokens"))
    }
}
