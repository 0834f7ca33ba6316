import Fleet
import Flows
import HTTPTypes
import Inference
import Kernel
import Tenancy

extension NewDeployment: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.contextLimit.rawValue] }
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
