package import Database
package import Kernel
package import Tenancy

/// Access rules as rows, in the scope of their tenant. Every change of one takes something away from somebody.
package struct DatabaseRuleStore: RuleStore {
    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    package func insert(_ rule: AccessRule, audit entry: AuditEntry) async throws {
        try await database.storing(.tenant(rule.tenant)) { tx in
            let known = try tx.row("SELECT COUNT(*) AS n FROM access_rule WHERE tenant_id = $1", [rule.tenant])
            guard try known?.value("n") ?? 0 < mostRulesOfTenant else {
                throw Problem(
                    .validationError, "The tenant has \(mostRulesOfTenant) access rules already.",
                    hint: "Remove some, or say the same with fewer: a rule may name many models, keys and addresses.")
            }
            let isNew = try tx.run(
                """
                INSERT INTO access_rule (id, tenant_id, workspace_id, name, effect, actions, keys, models,
                    environments, addresses, times, created)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING
                """,
                [rule.id, rule.tenant] + rule.columns + [rule.created])
            guard isNew == 1 else { return }
            try tx.revoke(.tenant(rule.tenant), of: rule.tenant)
            try audit.append(entry, to: rule.tenant, tx)
        }
    }

    package func find(_ id: RuleID, in tenant: TenantID) async throws -> AccessRule? {
        try await database.fetching(.tenant(tenant)) { tx in
            try tx.row("SELECT * FROM access_rule WHERE id = $1 AND tenant_id = $2", [id, tenant])
                .map(AccessRule.init(row:))
        }
    }

    package func tenant(of id: RuleID) async throws -> TenantID? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT tenant_id FROM access_rule WHERE id = $1", [id]).map { try $0.value("tenant_id") }
        }
    }

    package func list(in tenant: TenantID) async throws -> [AccessRule] {
        try await database.fetching(.tenant(tenant)) { tx in
            try tx.rows(
                "SELECT * FROM access_rule WHERE tenant_id = $1 ORDER BY id LIMIT $2", [tenant, mostRulesOfTenant]
            ).map(AccessRule.init(row:))
        }
    }

    package func replace(_ rule: AccessRule, audit entry: AuditEntry) async throws -> AccessRule? {
        try await database.storing(.tenant(rule.tenant)) { tx in
            let row = try tx.row(
                """
                UPDATE access_rule SET workspace_id = $3, name = $4, effect = $5, actions = $6, keys = $7, models = $8,
                    environments = $9, addresses = $10, times = $11
                WHERE id = $1 AND tenant_id = $2 RETURNING *
                """,
                [rule.id, rule.tenant] + rule.columns)
            guard let replaced = try row.map(AccessRule.init(row:)) else { return nil }
            try tx.revoke(.tenant(rule.tenant), of: rule.tenant)
            try audit.append(entry, to: rule.tenant, tx)
            return replaced
        }
    }

    package func remove(_ id: RuleID, in tenant: TenantID, audit entry: AuditEntry) async throws -> AccessRule? {
        try await database.storing(.tenant(tenant)) { tx in
            let row = try tx.row("DELETE FROM access_rule WHERE id = $1 AND tenant_id = $2 RETURNING *", [id, tenant])
            guard let rule = try row.map(AccessRule.init(row:)) else { return nil }
            try tx.revoke(.tenant(tenant), of: tenant)
            try audit.append(entry, to: tenant, tx)
            return rule
        }
    }
}

extension AccessRule {
    /// Times hold spaces, so a line break stands between them.
    private static let timeSeparator = "\n"

    /// From `workspace_id` to `times`.
    fileprivate var columns: [any SQLRepresentable] {
        [
            workspace, name, effect.rawValue, WordList.text(actions.map(\.rawValue).sorted()),
            WordList.text(keys.sorted().map(\.description)), WordList.text(conditions.models.map(\.text)),
            WordList.text(conditions.environments.map(\.rawValue).sorted()),
            WordList.text(conditions.addresses.map(\.description)),
            conditions.times.map(\.text).joined(separator: Self.timeSeparator),
        ]
    }

    init(row: Row) throws {
        let times = try row.value("times", as: String.self).split(separator: Self.timeSeparator).map { text in
            guard let window = TimeWindow(String(text)) else {
                throw DatabaseFailure.corrupt("column times holds no time window")
            }
            return window
        }
        let conditions = RuleConditions(
            models: try WordList.words(in: row.value("models")) { ModelPattern($0) },
            environments: Set(try WordList.words(in: row.value("environments")) { ModelEnvironment(rawValue: $0) }),
            addresses: try WordList.words(in: row.value("addresses")) { AddressRange($0) }, times: times)
        self.init(
            id: try row.value("id"), tenant: try row.value("tenant_id"), workspace: try row.value("workspace_id"),
            name: try row.value("name"), effect: try row.value("effect"),
            actions: Set(try WordList.words(in: row.value("actions")) { Permission(rawValue: $0) }),
            keys: Set(try WordList.words(in: row.value("keys")) { KeyID($0) }), conditions: conditions,
            created: try row.value("created"))
    }
}
