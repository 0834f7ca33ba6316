import Flows
import FoundationEssentials
import Hummingbird
import Kernel

/// A request of somebody who is known, with what acts for them.
struct AdminRequest: Sendable {
    let request: Request
    let context: ControlContext
    let caller: Caller
    let control: any Control
    let id: Kernel.RequestID

    func body<Body: AdminBody>(_ type: Body.Type) async throws -> Body {
        try await JSONBody.read(type, from: request)
    }

    /// A body that may be left out.
    func optionalBody<Body: AdminBody>(_ type: Body.Type, otherwise none: Body) async throws -> Body {
        try await JSONBody.read(type, from: request, otherwise: none)
    }

    /// - Parameter known: the parameters that the path has. Others are refused: a typing error would go unnoticed.
    func query(_ known: String...) throws(Problem) -> Query { try Query(request, known: known) }

    func query(known: [String]) throws(Problem) -> Query { try Query(request, known: known) }

    /// The path's identifier. One that cannot exist is told like one that does not.
    func identifier<Kind: IDKind>(_ kind: Kind.Type = Kind.self) throws(Problem) -> ID<Kind> {
        guard let text = context.parameters.get("id"), let id = ID<Kind>(text) else {
            throw Problem(
                .notFound, "The path does not name an identifier of the form \(Kind.prefix)_<ULID>.", parameter: "id")
        }
        return id
    }
}

/// The parameters after the question mark.
struct Query {
    private let request: Request

    init(_ request: Request, known: [String]) throws(Problem) {
        self.request = request
        if let unknown = request.uri.queryParameters.map({ String($0.key) }).first(where: { !known.contains($0) }) {
            let list = known.joined(separator: ", ")
            throw Problem(
                .validationError, "The query has a parameter that is not known.",
                parameter: InferenceFlow.printable(String(unknown.prefix(100))),
                hint: known.isEmpty ? "This path has no parameters." : "Known parameters: \(list).")
        }
    }

    func text(_ name: String) throws(Problem) -> String? {
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

    func identifier<Kind: IDKind>(_ name: String, _ kind: ID<Kind>.Type = ID<Kind>.self) throws(Problem) -> ID<Kind>? {
        guard let text = try text(name) else { return nil }
        guard let id = ID<Kind>(text) else {
            throw Problem(
                .validationError, "`\(name)` must be an identifier of the form \(Kind.prefix)_<ULID>.", parameter: name)
        }
        return id
    }

    func page<Kind: IDKind>(of kind: ID<Kind>.Type) throws(Problem) -> PageRequest {
        let after = try text("after")
        if let after, ID<Kind>(after) == nil {
            throw Problem(
                .validationError, "`after` must be an identifier of the form \(Kind.prefix)_<ULID>.",
                parameter: "after", hint: "Pass the `last_id` of the page before.")
        }
        return try PageRequest(limit: try integer("limit") ?? PageRequest.usual, after: after)
    }

    /// A page whose cursor only its own listing can read.
    func anyPage() throws(Problem) -> PageRequest {
        try PageRequest(limit: try integer("limit") ?? PageRequest.usual, after: try text("after"))
    }

    /// A page of what is numbered.
    func numberedPage() throws(Problem) -> PageRequest {
        let after = try sequence()
        return try PageRequest(
            limit: try integer("limit") ?? PageRequest.usual, after: after.map(String.init))
    }

    /// A page of what is listed in full, from the item after the one that `after` names; all of it without `limit`.
    func page<Item: Sendable>(of items: [Item], id: (Item) -> String) throws(Problem) -> Page<Item> {
        var rest = items[...]
        if let after = try text("after") {
            guard let index = items.firstIndex(where: { id($0) == after }) else {
                throw Problem(
                    .validationError, "`after` names nothing of this list.", parameter: "after",
                    hint: "Pass the `last_id` of the page before, or begin anew.")
            }
            rest = items[(index + 1)...]
        }
        let limit = try integer("limit")
        if let limit { _ = try PageRequest(limit: limit) }
        return Page(rows: Array(rest), limit: limit ?? rest.count, id: id)
    }

    func sequence() throws(Problem) -> Int64? {
        guard let text = try text("after") else { return nil }
        guard let number = Int64(text), number >= 0 else {
            throw Problem(
                .validationError, "`after` must be a sequence number.", parameter: "after",
                hint: "Pass the `last_id` of the page before.")
        }
        return number
    }
}
