package import Billing
import Database
package import Flows
import Inference
package import Kernel

extension DatabaseLedger: SuspenseStore {
    package func suspended(page: PageRequest) async throws -> Page<SuspendedUsage> {
        let after = page.after ?? ""
        guard page.after == nil || RequestID(after) != nil else {
            throw Problem(
                .validationError, "`after` is not an identifier of this listing.", parameter: "after",
                hint: "Use the `last_id` of the page before: it begins with \(RequestKind.prefix)_.")
        }
        let found = try await database.fetching(.system) { tx in
            let rows = try tx.rows(
                """
                SELECT u.*, i.tenant_id AS item_tenant, i.reason AS item_reason, i.amount AS item_amount,
                    i.currency AS item_currency, d.provider_id AS item_provider
                FROM suspense_item i JOIN usage u ON u.request_id = i.request_id
                    LEFT JOIN deployment d ON d.id = u.deployment_id
                WHERE i.resolved IS NULL AND i.request_id > $1 ORDER BY i.request_id LIMIT $2
                """, [after, page.limit + 1])
            return try zip(rows, UsageRecord.records(rows, tx)).map { try SuspendedUsage(row: $0, record: $1) }
        }
        return Page(rows: found, limit: page.limit) { $0.item.request.description }
    }

    package func resolve(
        _ request: RequestID, with transfers: [Transfer], as amount: Money
    ) async throws -> SuspenseOutcome {
        let posting = PostingSeal(id: ids.next(), sealer: sealer)
        do {
            return try await raced { [database] _ in
                try await database.guarding(.system) { tx in
                    try Self.resolve(request, transfers, amount, posting, tx)
                }
            }
        } catch is AlreadyResolved {
            return .repeated
        }
    }

    private static func resolve(
        _ request: RequestID, _ transfers: [Transfer], _ amount: Money, _ posting: PostingSeal, _ tx: any Tx
    ) throws -> SuspenseOutcome {
        // Locked before anything is decided: somebody else may have booked it, at another price or from another
        // account.
        let open = try tx.row(
            "SELECT request_id FROM suspense_item WHERE request_id = $1 AND resolved IS NULL" + tx.dialect.locked,
            [request])
        guard open != nil else { return .repeated }
        if !transfers.isEmpty, let refusal = try postAll([TransferGroup(transfers)], posting, tx) {
            return .refused(refusal)
        }
        let marked = try tx.run(
            """
            UPDATE suspense_item SET resolved = $2, amount = $3, currency = $4
            WHERE request_id = $1 AND resolved IS NULL
            """, [request, tx.now, amount.units, amount.currency.rawValue])
        // Nothing is posted beside what somebody else decided.
        guard marked == 1 else { throw AlreadyResolved() }
        return .resolved
    }
}

private struct AlreadyResolved: Error {}

extension SuspendedUsage {
    fileprivate init(row: Row, record: UsageRecord) throws {
        let currency: String? = try row.value("item_currency")
        let units: Int64? = try row.value("item_amount")
        var amount: Money?
        if let units {
            guard let known = currency.flatMap(Currency.init(rawValue:)) else {
                throw DatabaseFailure.corrupt("an item in suspense holds no known currency")
            }
            amount = Money(units: units, known)
        }
        let facts = record.billing
        let billing = BillingFacts(
            tenant: facts.tenant, user: facts.user, tags: facts.tags, hold: facts.hold,
            provider: try row.value("item_provider"))
        let item = SuspendedItem(
            request: record.request, workspace: record.workspace, reason: try row.value("item_reason"),
            amount: amount, accepted: record.started)
        self.init(
            item: item, tenant: try row.value("item_tenant"),
            record: UsageRecord(
                request: record.request, clientRequest: record.clientRequest, workspace: record.workspace,
                key: record.key, operation: record.operation, model: record.model, deployment: record.deployment,
                isStream: record.isStream, status: record.status, httpStatus: record.httpStatus,
                errorCode: record.errorCode, usage: record.usage, started: record.started, latency: record.latency,
                firstToken: record.firstToken, billing: billing, attempts: record.attempts))
    }
}
