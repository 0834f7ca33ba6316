import Billing
import Database
import Flows
import Inference
import Kernel

/// Usage rows with what they say of money, and what stands beside them: attempts and decisions.
struct UsageRows {
    private static let inserting = RowsStatement(
        """
        INSERT INTO usage (request_id, client_request, workspace_id, key_id, operation, model, deployment_id,
            is_stream, status, http_status, error_code, input_tokens, output_tokens, count_source, started, latency,
            first_token, tenant_id, user_id, tags, cached_tokens, reasoning_tokens, bill_state, price,
            price_currency, cost, cost_currency, umu, price_version, cost_version, only_provider, only_upstream,
            only_cost_state, only_told, only_told_currency, posting_id, bundle, share_1, share_2, share_3, share_4,
            share_5, share_6)
        """, columns: 37 + BundleLine.most, " ON CONFLICT (request_id) DO NOTHING")

    private static let counted = ListStatement("SELECT request_id FROM usage WHERE request_id")

    private var usage: RowBlock
    private var attempts = AttemptRows()
    private var routes = RouteBatches()

    /// Of requests for which nothing is posted.
    init(_ records: [UsageRecord]) {
        let settlements = records.map { Settlement(record: $0, bill: .none, transfers: [], suspended: nil) }
        self.init(SettlementBatch(settlements), nil, shares: [])
    }

    /// - Parameters:
    ///   - batch: in its order, so that two who insert the same rows wait for each other and do not lock each other
    ///     out.
    ///   - posting: that the shares are of.
    ///   - shares: what some of the requests have in its bundles, in the order of the requests.
    init(_ batch: SettlementBatch, _ posting: PostingID?, shares: [BundleShare]) {
        usage = Self.inserting.block(rows: batch.order.count, rowBytes: 4 * RequestID.length)
        var next = 0
        for place in batch.order {
            let settlement = batch.settlements[place]
            addRequest(of: settlement)
            add(settlement.bill)
            addAttempts(of: settlement)
            addRoute(of: settlement)
            if next < shares.count, shares[next].request == settlement.record.request {
                add(shares[next], of: posting)
                next += 1
            } else {
                for _ in 0..<2 + BundleLine.most { usage.addNull() }
            }
        }
    }

    /// Those of the requests that have a row.
    static func known(of requests: [RequestID], _ tx: any Tx) throws -> Set<RequestID> {
        Set(try counted.rows(requests, tx).map { try $0.value("request_id", as: RequestID.self) })
    }

    /// - Returns: how many usage rows were not there yet.
    @discardableResult
    func insert(_ tx: any Tx) throws -> Int {
        let added = try tx.run(Self.inserting, usage)
        try attempts.insert(tx)
        try routes.insert(tx)
        return added
    }

    // MARK: Its columns, in their order. A record is read in its settlement: it is too large to be copied out.

    private mutating func addRequest(of settlement: Settlement) {
        usage.add(settlement.record.request)
        usage.add(settlement.record.clientRequest)
        usage.add(settlement.record.workspace)
        usage.add(settlement.record.key)
        usage.add(settlement.record.operation.rawValue)
        usage.add(settlement.record.model)
        usage.add(settlement.record.deployment)
        usage.add(settlement.record.isStream)
        usage.add(settlement.record.status.rawValue)
        usage.add(settlement.record.httpStatus)
        usage.add(settlement.record.errorCode)
        usage.add(settlement.record.usage.inputTokens)
        usage.add(settlement.record.usage.outputTokens)
        usage.add(settlement.record.usage.source.rawValue)
        usage.add(settlement.record.started)
        usage.add(settlement.record.latency)
        usage.add(settlement.record.firstToken)
        usage.add(settlement.record.billing.tenant)
        usage.add(settlement.record.billing.user)
        usage.add(TagList.text(of: settlement.record.billing.tags))
        usage.add(settlement.record.usage.cachedTokens)
        usage.add(settlement.record.usage.reasoningTokens)
    }

    private mutating func add(_ bill: Bill) {
        usage.add(bill.state.rawValue)
        usage.add(bill.price?.units)
        usage.add(bill.price?.currency.rawValue)
        usage.add(bill.cost?.units)
        usage.add(bill.cost?.currency.rawValue)
        usage.add(bill.umu?.millionths)
        usage.add(bill.priceVersion)
        usage.add(bill.costVersion)
    }

    private mutating func addAttempts(of settlement: Settlement) {
        let called = settlement.record.attempts
        guard AttemptRows.isInUsageRow(called, of: settlement.record.deployment) else {
            for _ in 0..<5 { usage.addNull() }
            return attempts.add(called, of: settlement.record.request, in: settlement.record.workspace)
        }
        usage.add(called[0].provider)
        usage.add(called[0].upstream)
        usage.add(called[0].cost.rawValue)
        usage.add(called[0].told?.units)
        usage.add(called[0].told?.currency.rawValue)
    }

    private mutating func addRoute(of settlement: Settlement) {
        if settlement.record.route.isEmpty { return }
        routes.add(
            StoredRoute(
                request: settlement.record.request, workspace: settlement.record.workspace,
                key: settlement.record.key, accepted: settlement.record.started, record: settlement.record.route))
    }

    private mutating func add(_ share: BundleShare, of posting: PostingID?) {
        usage.add(posting)
        usage.add(share.bundle)
        for amount in share.amounts { usage.add(amount) }
        for _ in share.amounts.count..<BundleLine.most { usage.addNull() }
    }
}

/// A request's tags as they stand in a column: with a comma before, between and after them, so that one is found by
/// `,tag,`.
enum TagList {
    static func text(of tags: [String]) -> String { tags.isEmpty ? "" : "," + tags.joined(separator: ",") + "," }
    static func tags(in text: String) -> [String] { text.split(separator: ",").map(String.init) }
}

/// Calls to upstreams. The only call of a request stands in its usage row; those of a request that made several have
/// rows of their own.
struct AttemptRows {
    private static let inserting = RowsStatement(
        """
        INSERT INTO attempt (request_id, number, workspace_id, deployment_id, provider_id, upstream, cost_state, told,
            told_currency)
        """, columns: 9, " ON CONFLICT (request_id, number) DO NOTHING")
    private static let ofRequests = ListStatement(
        "SELECT * FROM attempt WHERE request_id", " ORDER BY request_id, number")

    private var rows = inserting.block(rows: 0)

    /// Whether a usage row holds the request's attempts: there is one, and it says nothing that the row has no place
    /// for.
    static func isInUsageRow(_ attempts: [Attempt], of deployment: DeploymentID) -> Bool {
        attempts.count == 1 && attempts[0].number == 1 && attempts[0].deployment == deployment
    }

    mutating func add(_ attempts: [Attempt], of request: RequestID, in workspace: WorkspaceID) {
        for attempt in attempts {
            rows.add(request)
            rows.add(attempt.number)
            rows.add(workspace)
            rows.add(attempt.deployment)
            rows.add(attempt.provider)
            rows.add(attempt.upstream)
            rows.add(attempt.cost.rawValue)
            rows.add(attempt.told?.units)
            rows.add(attempt.told?.currency.rawValue)
        }
    }

    func insert(_ tx: any Tx) throws {
        if rows.count > 0 { try tx.run(Self.inserting, rows) }
    }

    /// Of usage rows, in their order.
    static func attempts(of usage: [Row], _ tx: any Tx) throws -> [[Attempt]] {
        let only = try usage.map(Attempt.init(only:))
        let others = try zip(usage, only).filter { $1 == nil }
            .map { row, _ in try row.value("request_id", as: RequestID.self) }
        var found: [RequestID: [Attempt]] = [:]
        for row in try ofRequests.rows(others, tx) {
            found[try row.value("request_id"), default: []].append(try Attempt(row: row))
        }
        return try zip(usage, only).map { row, only in
            if let only { return [only] }
            return found[try row.value("request_id")] ?? []
        }
    }
}

extension Attempt {
    /// The only one of a usage row.
    fileprivate init?(only row: Row) throws {
        guard let text: String = try row.value("only_cost_state", as: String?.self) else { return nil }
        guard let cost = Cost(rawValue: text) else {
            throw DatabaseFailure.corrupt("column only_cost_state holds no known state")
        }
        self.init(
            number: 1, deployment: try row.value("deployment_id"), provider: try row.value("only_provider"),
            upstream: try row.value("only_upstream"), cost: cost, told: try Money(row: row, "only_told"))
    }

    fileprivate init(row: Row) throws {
        self.init(
            number: try row.value("number"), deployment: try row.value("deployment_id"),
            provider: try row.value("provider_id"), upstream: try row.value("upstream"),
            cost: try row.value("cost_state"), told: try Money(row: row, "told"))
    }
}

extension Money {
    /// An amount and its currency in the column beside it; nil for none.
    init?(row: Row, _ column: String) throws {
        guard let units = try row.value(column, as: Int64?.self),
            let text = try row.value(column + "_currency", as: String?.self)
        else { return nil }
        guard let currency = Currency(rawValue: text) else {
            throw DatabaseFailure.corrupt("column " + column + "_currency holds no known currency")
        }
        self.init(units: units, currency)
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
