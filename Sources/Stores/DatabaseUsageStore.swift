package import Database
package import Inference
package import Kernel

/// Usage as rows: added, never changed.
package struct DatabaseUsageStore: UsageStore {
    private let database: any Database
    private let mostAtOnce: Int

    /// - Parameter mostAtOnce: rows that one statement adds up.
    package init(_ database: any Database, mostAtOnce: Int = UsageStretches.rows) {
        self.database = database
        self.mostAtOnce = mostAtOnce
    }

    package func insert(_ records: [UsageRecord]) async throws {
        if records.isEmpty { return }
        _ = try await database.storing(.system) { tx in
            // Without those that are there: a row of decisions begins with its first request, and is not added to.
            let there = try UsageRows.known(of: records.map(\.request), tx)
            try UsageRows(records.filter { !there.contains($0.request) }).insert(tx)
        }
    }

    package func record(of request: RequestID, in workspace: WorkspaceID) async throws -> UsageRecord? {
        try await database.fetching(.workspace(workspace)) { tx in
            let rows = try tx.rows(
                "SELECT * FROM usage WHERE request_id = $1 AND workspace_id = $2", [request, workspace])
            return try UsageRecord.records(rows, tx).first
        }
    }

    package func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<UsageRecord> {
        let after = try page.after.map { _ in try page.cursor(RequestKind.self) }
        let rows = try await database.fetching(.workspace(workspace)) { tx in
            let place = try after.map { try Self.place(of: $0, in: workspace, tx) }
            let rows = try tx.rows(
                """
                SELECT * FROM usage WHERE workspace_id = $1 AND started <= $2 AND (started, request_id) < ($2, $3)
                ORDER BY started DESC, request_id DESC LIMIT $4
                """,
                [workspace, place ?? Instant(microseconds: .max), after ?? "~", page.limit + 1])
            return try UsageRecord.records(rows, tx)
        }
        return Page(rows: rows, limit: page.limit) { $0.request.description }
    }

    /// When the request began after which a page begins.
    static func place(of request: String, in workspace: WorkspaceID, _ tx: any Tx) throws -> Instant {
        let row = try tx.row(
            "SELECT started FROM usage WHERE request_id = $1 AND workspace_id = $2", [request, workspace])
        guard let row else {
            throw Problem(
                .validationError, "`after` is not an identifier of this listing.", parameter: "after",
                hint: "Use the `last_id` of the page before.")
        }
        return try row.value("started")
    }

    package func summary(in workspace: WorkspaceID, days: Int, until now: Instant) async throws -> [UsageSummary] {
        let today = now.microseconds / microsecondsPerDay
        let first = Instant(microseconds: (today - Int64(max(days, 1) - 1)) * microsecondsPerDay)
        var sums: [UsageSummary.Group: UsageSummary] = [:]
        let stretches = UsageStretches(
            database: database, workspace: workspace,
            span: UsageSpan(begins: first, ends: now + .microseconds(1)), most: mostAtOnce)
        try await stretches.forEach { stretch, tx in
            try tx.rows(
                """
                SELECT started / 86400000000 AS day, model, key_id, COUNT(*) AS requests,
                    CAST(SUM(CASE WHEN status = 'succeeded' THEN 0 ELSE 1 END) AS BIGINT) AS unsuccessful,
                    CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
                    CAST(SUM(output_tokens) AS BIGINT) AS output_tokens
                FROM usage WHERE workspace_id = $1 AND started >= $2 AND started < $3
                GROUP BY started / 86400000000, model, key_id
                """,
                [workspace, stretch.begins, stretch.ends]
            ).map(UsageSummary.init(row:))
        } then: { rows in
            for row in rows { sums[row.group] = sums[row.group].map { $0 + row } ?? row }
        }
        return sums.values.sorted { $0.group < $1.group }
    }
}

private let microsecondsPerDay: Int64 = 86_400_000_000

extension UsageRecord {
    /// With their attempts. What they held is not kept: it has been settled. Routes are kept apart, for a time.
    static func records(_ rows: [Row], _ tx: any Tx) throws -> [UsageRecord] {
        try zip(rows, AttemptRows.attempts(of: rows, tx)).map { try UsageRecord(row: $0, attempts: $1) }
    }

    private init(row: Row, attempts: [Attempt]) throws {
        let usage = Usage(
            inputTokens: try row.value("input_tokens"), outputTokens: try row.value("output_tokens"),
            cachedTokens: try row.value("cached_tokens"), reasoningTokens: try row.value("reasoning_tokens"),
            source: try row.value("count_source"))
        let billing = BillingFacts(
            tenant: try row.value("tenant_id"), user: try row.value("user_id"),
            tags: TagList.tags(in: try row.value("tags")), hold: .none)
        self.init(
            request: try row.value("request_id"), clientRequest: try row.value("client_request"),
            workspace: try row.value("workspace_id"), key: try row.value("key_id"),
            operation: try row.value("operation"), model: try row.value("model"),
            deployment: try row.value("deployment_id"), isStream: try row.value("is_stream"),
            status: try row.value("status"), httpStatus: try row.value("http_status"),
            errorCode: try row.value("error_code"), usage: usage, started: try row.value("started"),
            latency: try row.value("latency"), firstToken: try row.value("first_token"), billing: billing,
            attempts: attempts)
    }
}

extension UsageSummary {
    /// Newest day first.
    fileprivate struct Group: Hashable, Comparable {
        let day: String
        let model: String
        let key: KeyID

        static func < (left: Group, right: Group) -> Bool {
            (right.day, left.model, left.key) < (left.day, right.model, right.key)
        }
    }

    fileprivate var group: Group { Group(day: day, model: model, key: key) }

    /// Of one group.
    fileprivate static func + (left: UsageSummary, right: UsageSummary) -> UsageSummary {
        UsageSummary(
            day: left.day, model: left.model, key: left.key, requests: left.requests + right.requests,
            unsuccessful: left.unsuccessful + right.unsuccessful, inputTokens: left.inputTokens + right.inputTokens,
            outputTokens: left.outputTokens + right.outputTokens)
    }

    fileprivate init(row: Row) throws {
        let day: Int64 = try row.value("day")
        self.init(
            day: String(Instant(microseconds: day * microsecondsPerDay).description.prefix(10)),
            model: try row.value("model"), key: try row.value("key_id"), requests: try row.value("requests"),
            unsuccessful: try row.value("unsuccessful"), inputTokens: try row.value("input_tokens"),
            outputTokens: try row.value("output_tokens"))
    }
}
