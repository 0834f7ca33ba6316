import Flows
import HTTPTypes
import Kernel
import Tenancy

extension NewProvider: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
}

extension NewProviderKey: AdminBody {
    static var fields: [String] { ["key"] }
}

extension ControlAPI {
    var providerRoutes: [Route] {
        [
            .admin(.post, "providers", .providerWrite) { asked in
                try .created(await asked.control.addProvider(asked.body(NewProvider.self)))
            },
            .admin(.get, "providers", .providerRead) { asked in
                let query = try asked.query("limit", "after")
                return try .json(query.page(of: await asked.control.listProviders()) { $0.id.description })
            },
            .admin(.put, "providers/:id/key", .providerWrite) { asked in
                let id = try asked.identifier(ProviderKind.self)
                return try .json(await asked.control.replaceProviderKey(id, asked.body(NewProviderKey.self)))
            },
            .admin(.delete, "providers/:id", .providerWrite) { asked in
                try .json(await asked.control.removeProvider(asked.identifier()))
            },
            .admin(.get, "secrets", .providerRead) { asked in
                let query = try asked.query("limit", "after")
                return try .json(query.page(of: await asked.control.listSecrets(), id: \.name))
            },
            .admin(.post, "secrets/reseal", .providerWrite) { asked in
                try .json(await asked.control.resealSecrets())
            },
        ]
    }
}
