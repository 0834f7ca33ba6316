import Fleet
import Flows
import Hummingbird
import Inference
import Kernel
import Tenancy

extension NewKey: AdminBody {
    static var fields: [String] { ["name", "expires"] }
    static var integers: [String] { [] }
    static var hints: [String: String] { ["expires": "Write a time as RFC 3339: 2027-01-31T00:00:00Z."] }
}

extension NewDeployment: AdminBody {
    static var fields: [String] { CodingKeys.allCases.map(\.rawValue) }
    static var integers: [String] { [CodingKeys.contextLimit.rawValue] }
    static var hints: [String: String] { [:] }
}

extension ControlAPI {
    var adminRoutes: [Route] { keyRoutes + registryRoutes + listingRoutes }

    private var keyRoutes: [Route] {
        [
            Route(.post, "/v1/admin/keys", forOperators: true) { request, _ in
                let body = try await JSONBody.read(NewKey.self, from: request)
                var response = try JSONBody.response(await control.createKey(body), status: .created)
                response.headers[.cacheControl] = "no-store"
                return response
            },
            Route(.get, "/v1/admin/keys", forOperators: true) { request, _ in
                try JSONBody.response(await control.listKeys(Query(request).page(of: KeyID.self)))
            },
            Route(.delete, "/v1/admin/keys/:id", forOperators: true) { _, context in
                try JSONBody.response(await control.revokeKey(context.identifier()))
            },
        ]
    }

    private var registryRoutes: [Route] {
        [
            Route(.post, "/v1/admin/registry", forOperators: true) { request, _ in
                let body = try await JSONBody.read(NewDeployment.self, from: request)
                return try JSONBody.response(await control.registerDeployment(body), status: .created)
            },
            Route(.get, "/v1/admin/registry", forOperators: true) { _, _ in
                try JSONBody.response(await Page(all: control.listDeployments()) { $0.id.description })
            },
            Route(.delete, "/v1/admin/registry/:id", forOperators: true) { _, context in
                try JSONBody.response(await control.deregister(context.identifier()))
            },
        ]
    }

    private var listingRoutes: [Route] {
        [
            Route(.get, "/v1/admin/runtimes", forOperators: true) { _, _ in
                try JSONBody.response(await Page(all: control.runtimes(), id: \.name))
            },
            Route(.get, "/v1/admin/models", forOperators: true) { _, _ in
                try JSONBody.response(await Page(all: control.models(), id: \.model))
            },
            Route(.get, "/v1/admin/usage", forOperators: true) { request, _ in
                let query = Query(request)
                if try query.flag("each") {
                    return try JSONBody.response(await control.usageRows(query.page(of: Kernel.RequestID.self)))
                }
                let days = try query.integer("days") ?? 30
                return try JSONBody.response(await Page(all: control.usageSummary(days: days)) { $0.day })
            },
        ]
    }
}

extension Page {
    /// A listing that is complete in one page.
    init(all items: [Item], id: (Item) -> String) { self.init(rows: items, limit: items.count, id: id) }
}

extension ControlContext {
    /// The path's identifier. One that cannot exist is told like one that does not.
    func identifier<Kind: IDKind>(_ kind: Kind.Type = Kind.self) throws(Problem) -> ID<Kind> {
        guard let text = parameters.get("id"), let id = ID<Kind>(text) else {
            throw Problem(
                .notFound, "The path does not name an identifier of the form \(Kind.prefix)_<ULID>.", parameter: "id")
        }
        return id
    }
}

/// The parameters after the question mark.
struct Query {
    private let request: Request

    init(_ request: Request) { self.request = request }

    private func text(_ name: String) throws(Problem) -> String? {
        let values = request.uri.queryParameters[values: Substring(name)]
        guard values.count <= 1 else {
            throw Problem(.validationError, "`\(name)` is given more than once.", parameter: name)
        }
        return values.first.map(String.init)
    }

    func integer(_ name: String) throws(Problem) -> Int? {
        guard let text = try text(name) else { return nil }
        guard let number = Int(text) else {
            throw Problem(.validationError, "`\(name)` must be a whole number.", parameter: name)
        }
        return number
    }

    func flag(_ name: String) throws(Problem) -> Bool {
        switch try text(name) {
        case nil, "false": return false
        case "true": return true
        default: throw Problem(.validationError, "`\(name)` must be true or false.", parameter: name)
        }
    }

    func page<Kind: IDKind>(of kind: ID<Kind>.Type) throws(Problem) -> PageRequest {
        let after = try text("after")
        if let after, ID<Kind>(after) == nil {
            throw Problem(
                .validationError, "`after` must be an identifier of the form \(Kind.prefix)_<ULID>.",
                parameter: "after",
                hint: "Pass the `last_id` of the page before.")
        }
        return try PageRequest(limit: try integer("limit") ?? PageRequest.usual, after: after)
    }
}
