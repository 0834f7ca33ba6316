import Billing
import Database
import Kernel

extension Budget {
    /// All but `removed`, in the order of the table.
    static let columns =
        """
        id, tenant_id, workspace_id, user_id, key_id, model, tag, asset, amount, period, is_hard, alerts, identity,
            created
        """

    var values: [any SQLRepresentable] {
        [
            id, tenant, scope.workspace, scope.user, scope.key, scope.model, scope.tag, asset.text, amount,
            period.description, isHard, WordList.text(alerts.map(String.init)), identity, created,
        ]
    }

    init(row: Row) throws {
        let (asset, period): (String, String) = (try row.value("asset"), try row.value("period"))
        guard let asset = Asset(asset), let period = BudgetPeriod(described: period) else {
            throw DatabaseFailure.corrupt("a budget holds no known asset or period")
        }
        let scope = Scope(
            workspace: try row.value("workspace_id"), user: try row.value("user_id"), key: try row.value("key_id"),
            model: try row.value("model"), tag: try row.value("tag"))
        self.init(
            id: try row.value("id"), tenant: try row.value("tenant_id"), scope: scope, amount: try row.value("amount"),
            asset: asset, period: period, isHard: try row.value("is_hard"),
            alerts: try WordList.words(in: row.value("alerts")) { Int($0) }, created: try row.value("created"),
            removed: try row.value("removed"))
    }

    /// The same with what `set` may change.
    func changed(to other: Budget) -> Budget {
        Budget(
            id: id, tenant: tenant, scope: scope, amount: other.amount, asset: asset, period: period, isHard: isHard,
            alerts: other.alerts, created: created, removed: removed)
    }

    /// For the audit log.
    var facts: [String: String] {
        var facts = [
            "amount": Amount(units: amount, asset).description, "period": period.description,
            "is_hard": String(isHard), "alerts": WordList.text(alerts.map(String.init)),
        ]
        facts["user"] = scope.user?.description
        facts["key"] = scope.key?.description
        facts["model"] = scope.model
        facts["tag"] = scope.tag
        return facts
    }
}

extension BudgetEvent {
    init(row: Row) throws {
        self.init(
            budget: try row.value("budget_id"), account: try row.value("account_id"), share: try row.value("share"),
            spent: try row.value("spent"), at: try row.value("happened"))
    }
}
