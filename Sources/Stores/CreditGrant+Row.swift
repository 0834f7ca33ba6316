import Billing
import Database
import Kernel

extension CreditGrant {
    /// All but `lapsed`, in the order of the table.
    static let inserting =
        """
        INSERT INTO credit_grant (id, account_id, tenant_id, workspace_id, amount, currency, priority, created, expires,
            note, price_version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """

    var values: [any SQLRepresentable] {
        [
            id, account, tenant, workspace, amount, currency.rawValue, priority, created, expires, note, priceVersion,
        ]
    }

    init(row: Row) throws {
        self.init(
            id: try row.value("id"), account: try row.value("account_id"), tenant: try row.value("tenant_id"),
            workspace: try row.value("workspace_id"), amount: try row.value("amount"),
            currency: try row.value("currency"), priority: try row.value("priority"), created: try row.value("created"),
            expires: try row.value("expires"), note: try row.value("note"), priceVersion: try row.value("price_version")
        )
    }

    /// Its own account: nothing runs on what is not there.
    var ledgerAccount: Account {
        Account(
            id: account, kind: .credit, asset: .money(currency), tenant: tenant, workspace: workspace,
            subject: id.description, limit: 0, begins: created, ends: expires)
    }

    private var issued: AccountID { PlatformAccounts.id(.issued, .money(currency)) }

    var gift: Transfer {
        Transfer(
            id: TransferID("\(id)/grant"), reason: .grant, debit: issued, credit: account,
            amount: Amount(units: amount, .money(currency)), accepted: created)
    }

    /// - Parameter rest: above 0.
    func lapse(of rest: Int64, at now: Instant) -> Transfer {
        Transfer(
            id: TransferID("\(id)/lapse"), reason: .lapse, debit: account, credit: issued,
            amount: Amount(units: rest, .money(currency)), accepted: expires ?? now)
    }

    /// For the audit log.
    var facts: [String: String] {
        var facts = [
            "amount": Amount(units: amount, .money(currency)).description, "priority": String(priority), "note": note,
        ]
        facts["expires"] = expires?.description
        facts["price_version"] = priceVersion.map(String.init)
        return facts
    }
}

extension WalletRule {
    init(row: Row) throws {
        let workspace: String = try row.value("workspace_id")
        self.init(
            tenant: try row.value("tenant_id"), workspace: try workspace.isEmpty ? nil : row.value("workspace_id"),
            mode: try row.value("mode"), currency: try row.value("currency"))
    }
}
