import Flows
import HTTPTypes
import Kernel
import Tenancy

extension NewRule: AdminBody {
    static var fields: [String] {
        [
            "name", "effect", "tenant", "workspace", "actions", "keys", "models", "environments", "addresses", "times",
        ]
    }
}

extension AccessQuestion: AdminBody {
    static var fields: [String] { ["subject", "action", "workspace", "model", "address", "at"] }
    static var hints: [String: String] { ["at": "Write a time as RFC 3339: 2027-01-31T00:00:00Z."] }
}

extension ControlAPI {
    var ruleRoutes: [Route] {
        [
            .admin(.post, "rules", .ruleWrite) { asked in
                try .created(await asked.control.createRule(asked.body(NewRule.self)))
            },
            .admin(.get, "rules", .ruleRead) { asked in
                let query = try asked.query("tenant", "limit", "after")
                let rules = try await asked.control.listRules(in: query.identifier("tenant"))
                return try .json(query.page(of: rules) { $0.id.description })
            },
            .admin(.post, "rules/test", .ruleRead) { asked in
                try .json(await asked.control.testAccess(asked.body(AccessQuestion.self)))
            },
            .admin(.get, "rules/:id", .ruleRead) { asked in try .json(await asked.control.rule(asked.identifier())) },
            .admin(.put, "rules/:id", .ruleWrite) { asked in
                let id = try asked.identifier(RuleKind.self)
                return try .json(await asked.control.replaceRule(id, asked.body(NewRule.self)))
            },
            .admin(.delete, "rules/:id", .ruleWrite) { asked in
                try .json(await asked.control.removeRule(asked.identifier()))
            },
        ]
    }
}
