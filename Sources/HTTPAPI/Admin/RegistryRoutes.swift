import Fleet
import Flows
import HTTPTypes
import Inference
import Kernel
import Tenancy

extension NewDeployment: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] {
        [CodingKeys.contextLimit, .weight, .priority, .firstTokenMilliseconds].map(\.rawValue)
    }
    static var hints: [String: String] { [CodingKeys.concurrency.rawValue: ConcurrencyText.hint] }
}

extension DeploymentChangeRequest: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] {
        [CodingKeys.contextLimit, .weight, .priority, .firstTokenMilliseconds, .revision].map(\.rawValue)
    }
    static var hints: [String: String] { [CodingKeys.concurrency.rawValue: ConcurrencyText.hint] }
}

extension Promotion: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.weight.rawValue] }
}

extension ControlAPI {
    var registryRoutes: [Route] {
        [
            .admin(.post, "registry", .modelWrite) { asked in
                try .created(await asked.control.registerDeployment(asked.body(NewDeployment.self)))
            },
            .admin(.get, "registry", .modelRead) { asked in
                let query = try asked.query("limit", "after")
                return try .json(query.page(of: await asked.control.listDeployments()) { $0.id.description })
            },
            .admin(.get, "registry/:id", .modelRead) { asked in
                try .json(await asked.control.deployment(asked.identifier()))
            },
            .admin(.patch, "registry/:id", .modelWrite) { asked in
                let id = try asked.identifier(DeploymentKind.self)
                return try .json(await asked.control.changeDeployment(id, asked.body(DeploymentChangeRequest.self)))
            },
            .admin(.post, "registry/:id/enable", .modelWrite) { asked in
                try .json(await asked.control.setDeployment(asked.identifier(), enabled: true))
            },
            .admin(.post, "registry/:id/disable", .modelWrite) { asked in
                try .json(await asked.control.setDeployment(asked.identifier(), enabled: false))
            },
            .admin(.post, "registry/:id/promote", .modelWrite) { asked in
                let id = try asked.identifier(DeploymentKind.self)
                return try .created(await asked.control.promoteDeployment(id, asked.body(Promotion.self)))
            },
            .admin(.delete, "registry/:id", .modelWrite) { asked in
                try .json(await asked.control.deregister(asked.identifier()))
            },
        ]
    }

    var listingRoutes: [Route] {
        [
            .admin(.get, "runtimes", .runtimeRead) { asked in
                let query = try asked.query("limit", "after")
                return try .json(query.page(of: await asked.control.runtimes(), id: \.name))
            },
            .admin(.get, "models", .modelRead) { asked in
                let query = try asked.query("limit", "after")
                return try .json(query.page(of: await asked.control.models(), id: \.model))
            },
        ]
    }
}
