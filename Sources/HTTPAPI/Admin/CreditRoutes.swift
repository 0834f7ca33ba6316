import Billing
import Flows
import HTTPTypes
import Kernel
import Tenancy

extension NewWallet: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
}

extension NewCredit: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.priority, .expiresIn].map(\.rawValue) }
    static var hints: [String: String] {
        MoneyHints.times.merging([CodingKeys.amount.rawValue: DecimalInput.hint]) { first, _ in first }
    }
}

extension NewPlan: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
}

extension ControlAPI {
    var creditRoutes: [Route] {
        [
            .admin(.put, "wallets", .creditWrite) { asked in
                try .json(await asked.control.setWallet(asked.body(NewWallet.self)))
            },
            .admin(.get, "wallets", .billingRead) { asked in
                let query = try asked.query("tenant", "limit", "after")
                let wallets = try await asked.control.wallets(of: query.identifier("tenant"))
                return try .json(query.page(of: wallets) { $0.workspace?.description ?? $0.tenant.description })
            },
            .admin(.delete, "wallets", .creditWrite) { asked in
                let query = try asked.query("tenant", "workspace")
                return try .json(
                    await asked.control.removeWallet(
                        of: query.identifier("tenant"), workspace: query.identifier("workspace")))
            },
            .admin(.post, "credits", .creditWrite) { asked in
                try .created(await asked.control.grantCredit(asked.body(NewCredit.self)))
            },
            .admin(.get, "credits", .billingRead) { asked in
                let query = try asked.query("tenant", "workspace", "limit", "after")
                let credits = try await asked.control.listCredits(
                    in: query.identifier("tenant"), workspace: query.identifier("workspace"))
                return try .json(query.page(of: credits) { $0.id.description })
            },
            .admin(.delete, "credits/:id", .creditWrite) { asked in
                try .json(await asked.control.revokeCredit(asked.identifier()))
            },
            .admin(.get, "plans", .billingRead) { asked in
                let query = try asked.query("limit", "after")
                return try .json(query.page(of: await asked.control.listPlans(), id: \.name.rawValue))
            },
            .admin(.put, "plans/current", .creditWrite) { asked in
                try .json(await asked.control.setPlan(asked.body(NewPlan.self)))
            },
            .admin(.delete, "plans/current", .creditWrite) { asked in
                let query = try asked.query("tenant")
                return try .json(await asked.control.removePlan(of: query.identifier("tenant")))
            },
            .admin(.get, "plans/current", .billingRead) { asked in
                let query = try asked.query("tenant")
                return try .json(await asked.control.plan(of: query.identifier("tenant")))
            },
        ]
    }
}
