import Flows
package import HTTPTypes
import Hummingbird
import Kernel
package import Tenancy

/// What a route asks of its caller. Every route names it, so that none is open by mistake.
package enum RouteAction: Sendable, Equatable {
    /// Everybody may, for this reason.
    case open(String)
    /// Whoever has a good credential, for what is their own.
    case authenticated
    /// Whoever has the permission for the thing that the request is about; where there is a second one, it depends on
    /// the thing which of them is asked for.
    case permission(Permission, or: Permission? = nil)

    package var permissions: [Permission] {
        switch self {
        case .open, .authenticated: []
        case .permission(let first, let second): [first] + (second.map { [$0] } ?? [])
        }
    }
}

/// One method of one path, with what it asks of its caller and the handler that answers it.
package struct Route: Sendable {
    enum Handler: Sendable {
        /// Answers to everybody.
        case open(@Sendable (Request, ControlContext) async throws -> Response)
        case admin(@Sendable (AdminRequest) async throws -> Reply)
        case stream(@Sendable (AdminRequest) async throws -> Response)
        /// The gateway answers before requests come here.
        case gateway
    }

    package let method: HTTPRequest.Method
    /// As Hummingbird writes it: `/v1/admin/keys/:id`.
    package let path: String
    package let action: RouteAction
    let handler: Handler

    init(_ method: HTTPRequest.Method, _ path: String, _ action: RouteAction, _ handler: Handler) {
        self.method = method
        self.path = path
        self.action = action
        self.handler = handler
    }

    /// A route of the admin API.
    static func admin(
        _ method: HTTPRequest.Method, _ path: String, _ permission: Permission, or second: Permission? = nil,
        _ answer: @escaping @Sendable (AdminRequest) async throws -> Reply
    ) -> Route {
        Route(method, "/v1/admin/" + path, .permission(permission, or: second), .admin(answer))
    }
}
