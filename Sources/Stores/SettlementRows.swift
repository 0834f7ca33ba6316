import Billing
import Database
import Flows
import Inference
import Kernel

/// Usage rows, with what they say of money.
enum UsageRows {
    private static let inserting = RowsStatement(
        """
        INSERT INTO usage (request_id, client_request, workspace_id, key_id, operation, model, deployment_id,
            is_stream, status, http_status, error_code, input_tokens, output_tokens, count_source, started, latency,
            first_token, tenant_id, user_id, tags, cached_tokens, reasoning_tokens, bill_state, price,
            price_currency, cost, cost_currency, umu, price_version, cost_version)
        """, columns: 30, " ON CONFLICT (request_id) DO NOTHING")

    /// - Returns: how many were not there yet.
    @discardableResult
    static func insert(_ rows: [(record: UsageRecord, bill: Bill)], _ tx: any Tx) throws -> Int {
        // In one order, so that two who insert the same rows wait for each other and do not lock each other out.
        let sorted = rows.sorted { $0.record.request < $1.record.request }
        return try inserting.run(sorted.map { values(of: $0.record) + values(of: $0.bill) }, tx)
    }

    private static func values(of record: UsageRecord) -> [any SQLRepresentable] {
        let usage = record.usage
        return [
            record.request, record.clientRequest, record.workspace, record.key, record.operation.rawValue, record.model,
            record.deployment, record.isStream, record.status.rawValue, record.httpStatus, record.errorCode,
            usage.inputTokens, usage.outputTokens, usage.source.rawValue, record.started, record.latency,
            record.firstToken, record.billing.tenant, record.billing.user, TagList.text(of: record.billing.tags),
            usage.cachedTokens, usage.reasoningTokens,
        ]
    }

    private static func values(of bill: Bill) -> [any SQLRepresentable] {
        [
            bill.state.rawValue, bill.price?.units, bill.price?.currency.rawValue, bill.cost?.units,
            bill.cost?.currency.rawValue, bill.umu?.millionths, bill.priceVersion, bill.costVersion,
        ]
    }
}

/// A request's tags as they stand in a column: with a comma before, between and after them, so that one is found by
/// `,tag,`.
enum TagList {
    static func text(of tags: [String]) -> String { tags.isEmpty ? "" : "," + tags.joined(separator: ",") + "," }
    static func tags(in text: String) -> [String] { text.split(separator: ",").map(String.init) }
}

enum AttemptRows {
    private static let inserting = RowsStatement(
        "INSERT INTO attempt (request_id, number, workspace_id, deployment_id, provider_id, upstream, cost_state)",
        columns: 7,
        " ON CONFLICT (request_id, number) DO NOTHING")
    private static let ofRequests = ListStatement(
        "SELECT request_id, number, deployment_id, provider_id, upstream, cost_state FROM attempt WHERE request_id",
        " ORDER BY request_id, number")

    static func insert(_ records: [UsageRecord], _ tx: any Tx) throws {
        let rows = records.sorted { $0.request < $1.request }.flatMap { record in
            record.attempts.map { attempt -> [any SQLRepresentable] in
                [
                    record.request, attempt.number, record.workspace, attempt.deployment, attempt.provider,
                    attempt.upstream, attempt.cost.rawValue,
                ]
            }
        }
        try inserting.run(rows, tx)
    }

    static func attempts(of requests: [RequestID], _ tx: any Tx) throws -> [RequestID: [Attempt]] {
        var attempts: [RequestID: [Attempt]] = [:]
        for row in try ofRequests.rows(requests, tx) {
            attempts[try row.value("request_id"), default: []].append(
                Attempt(
                    number: try row.value("number"), deployment: try row.value("deployment_id"),
                    provider: try row.value("provider_id"), upstream: try row.value("upstream"),
                    cost: try row.value("cost_state")))
        }
        return attempts
    }
}

enum SuspenseRows {
    static func insert(_ settlements: [Settlement], _ tx: any Tx) throws {
        for settlement in settlements {
            guard let item = settlement.suspended else { continue }
            let tenant = try settlement.record.billing.tenant ?? tenant(of: item.workspace, tx)
            try tx.run(
                """
                INSERT INTO suspense_item
                    (request_id, workspace_id, tenant_id, reason, amount, currency, accepted, written)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (request_id) DO NOTHING
                """,
                [
                    item.request, item.workspace, tenant?.description ?? "", item.reason.rawValue, item.amount?.units,
                    item.amount?.currency.rawValue, item.accepted, tx.now,
                ])
        }
    }

    /// A record from before it named its tenant.
    private static func tenant(of workspace: WorkspaceID, _ tx: any Tx) throws -> TenantID? {
        try tx.row("SELECT tenant_id FROM workspace WHERE id = $1", [workspace])?.value("tenant_id")
    }
}
