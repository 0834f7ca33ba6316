import Flows
import HTTPTypes
import Kernel
import Tenancy

extension NewBudget: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var hints: [String: String] { [CodingKeys.amount.rawValue: DecimalInput.hint] }
}

extension LimitChange: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.rpm, .tpm, .concurrency].map(\.rawValue) }
}

extension ControlAPI {
    var budgetRoutes: [Route] {
        [
            .admin(.put, "budgets", .billingWrite) { asked in
                try .json(await asked.control.setBudget(asked.body(NewBudget.self)))
            },
            .admin(.get, "budgets", .billingRead) { asked in
                let query = try asked.query("tenant", "workspace", "limit", "after")
                return try .json(
                    await asked.control.listBudgets(
                        in: query.identifier("tenant"), workspace: query.identifier("workspace"),
                        query.page(of: BudgetID.self)))
            },
            .admin(.get, "budgets/:id", .billingRead) { asked in
                try .json(await asked.control.budget(asked.identifier()))
            },
            .admin(.delete, "budgets/:id", .billingWrite) { asked in
                try .json(await asked.control.removeBudget(asked.identifier()))
            },
            .admin(.get, "budgets/:id/events", .billingRead) { asked in
                let id = try asked.identifier(BudgetKind.self)
                let query = try asked.query("limit", "after")
                return try .json(await asked.control.budgetEvents(of: id, query.anyPage()))
            },
            .admin(.put, "limits", .billingWrite) { asked in
                let limits = try await asked.control.setLimits(asked.body(LimitChange.self))
                return try .json(Page(rows: limits, limit: limits.count) { $0.id.description })
            },
            .admin(.get, "limits", .billingRead) { asked in
                let query = try asked.query("tenant", "workspace", "limit", "after")
                let limits = try await asked.control.listLimits(
                    in: query.identifier("tenant"), workspace: query.identifier("workspace"))
                return try .json(query.page(of: limits) { $0.id.description })
            },
            Route(
                .get, "/v1/budgets", .permission(.billingRead),
                .admin { asked in
                    let query = try asked.query("workspace", "limit", "after")
                    let budgets = try await asked.control.budgets(binding: query.identifier("workspace"))
                    return try .json(query.page(of: budgets) { $0.id.description })
                }),
        ]
    }
}
