package import Billing
package import Database
package import Kernel
package import Tenancy

/// Limits as rows, in the scope of their tenant.
package struct DatabaseLimitStore: LimitStore {
    /// So that a listing is bounded, and what a node reads for a key.
    private static let mostOfTenant = 50_000

    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    /// - Throws: as the port says, and `Problem(.validationError)` for an amount that is none, or for too many limits.
    package func set(
        _ amounts: [RateLimit.Quantity: Int64?], on subject: RateLimit.Subject, model: String?, of tenant: TenantID,
        workspace: WorkspaceID?, ids: IDSource, by act: MoneyAct
    ) async throws -> [RateLimit] {
        // In one order, and with their identifiers, before a body that may run again.
        let changes = try RateLimit.Quantity.allCases.compactMap { quantity -> Change? in
            guard let amount = amounts[quantity] else { return nil }
            try Self.check(amount, of: quantity)
            return Change(id: ids.next(), quantity: quantity, amount: amount)
        }
        guard !changes.isEmpty else { return [] }
        let place = Place(tenant: tenant, workspace: workspace, subject: subject, model: model ?? "")
        return try await database.storing(.tenant(tenant)) { tx in
            let isChanged = try changes.map { try $0.apply(to: place, tx) }.contains(true)
            if isChanged {
                try Self.checkCount(of: tenant, tx)
                try tx.spendingChanged()
                try audit.append(place.entry(of: changes, by: act), to: tenant, tx)
            }
            return try tx.rows(
                """
                SELECT * FROM rate_limit WHERE tenant_id = $1 AND subject_kind = $2 AND subject_id = $3 AND model = $4
                ORDER BY id
                """, [tenant, subject.kind, subject.text, place.model]
            ).map(RateLimit.init(row:))
        }
    }

    package func list(of tenant: TenantID, workspace: WorkspaceID?) async throws -> [RateLimit] {
        try await database.fetching(.tenant(tenant)) { tx in
            try tx.rows(
                """
                SELECT * FROM rate_limit WHERE tenant_id = $1 AND ($2 = '' OR workspace_id = $2) ORDER BY id LIMIT $3
                """, [tenant, workspace?.description ?? "", Self.mostOfTenant]
            ).map(RateLimit.init(row:))
        }
    }

    private static func check(_ amount: Int64?, of quantity: RateLimit.Quantity) throws(Problem) {
        guard let amount, !(0...RateBucket.most).contains(amount) else { return }
        throw Problem(
            .validationError, "\(amount) is no limit of \(quantity.rawValue).", parameter: quantity.rawValue,
            hint: "Use a number from 0, which lets nothing through, to \(RateBucket.most).")
    }

    private static func checkCount(of tenant: TenantID, _ tx: any Tx) throws {
        let row = try tx.row("SELECT COUNT(*) AS n FROM rate_limit WHERE tenant_id = $1", [tenant])
        guard try row?.value("n") ?? 0 <= mostOfTenant else {
            throw Problem(
                .validationError, "The tenant has \(mostOfTenant) limits already.",
                hint: "Remove some, or set them on workspaces instead of keys.")
        }
    }
}

/// What limits are set on.
private struct Place: Sendable {
    let tenant: TenantID
    let workspace: WorkspaceID?
    let subject: RateLimit.Subject
    /// Empty for all together.
    let model: String

    func entry(of changes: [Change], by act: MoneyAct) -> AuditEntry {
        var facts = ["subject": subject.text]
        if !model.isEmpty { facts["model"] = model }
        for change in changes { facts[change.quantity.rawValue] = change.amount.map { "\($0)" } ?? "removed" }
        return act.entry("limit.set", tenant: tenant, workspace: workspace, subject: subject.text, facts: facts)
    }
}

private struct Change: Sendable {
    let id: LimitID
    let quantity: RateLimit.Quantity
    /// Nil removes it.
    let amount: Int64?

    /// - Returns: whether anything is different from before.
    func apply(to place: Place, _ tx: any Tx) throws -> Bool {
        let key: [any SQLRepresentable] = [
            place.tenant, place.subject.kind, place.subject.text, place.model, quantity.rawValue,
        ]
        guard let amount else {
            let removed = try tx.run(
                """
                DELETE FROM rate_limit WHERE tenant_id = $1 AND subject_kind = $2 AND subject_id = $3 AND model = $4
                    AND quantity = $5
                """, key)
            return removed > 0
        }
        // One that is set anew keeps its identifier, and with it what was used of it.
        let changed = try tx.run(
            """
            INSERT INTO rate_limit (tenant_id, subject_kind, subject_id, model, quantity, id, workspace_id, amount,
                changed)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (subject_kind, subject_id, tenant_id, model, quantity) DO UPDATE SET amount = excluded.amount,
                changed = excluded.changed
            WHERE rate_limit.amount <> excluded.amount
            """, key + [id, place.workspace, amount, tx.now])
        return changed > 0
    }
}
