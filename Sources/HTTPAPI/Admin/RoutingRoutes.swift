import Flows
import HTTPTypes
import Kernel
import Tenancy

extension NewRouting: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.maxLatencyMilliseconds, .attempts].map(\.rawValue) }
    static var hints: [String: String] { [CodingKeys.maxCost.rawValue: DecimalInput.hint] }
}

extension ControlAPI {
    var routingRoutes: [Route] {
        [
            .admin(.get, "workspaces/:id/routing", .routingRead) { asked in
                try .json(await asked.control.routing(of: asked.identifier()))
            },
            .admin(.put, "workspaces/:id/routing", .routingWrite) { asked in
                let id = try asked.identifier(WorkspaceKind.self)
                return try .json(await asked.control.setRouting(of: id, asked.body(NewRouting.self)))
            },
            .admin(.delete, "workspaces/:id/routing", .routingWrite) { asked in
                try .json(await asked.control.removeRouting(of: asked.identifier()))
            },
            .admin(.get, "routing", .routingRead) { asked in
                let query = try asked.query("tenant", "limit", "after")
                let all = try await asked.control.listRouting(in: query.identifier("tenant"))
                return try .json(query.page(of: all) { $0.workspace.description })
            },
        ]
    }
}
