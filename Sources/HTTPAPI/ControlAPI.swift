package import Flows
package import Hummingbird
package import Kernel
package import Logging

/// The control plane over HTTP: health, error pages, the API's description, and what operators do.
///
/// A handler decodes, calls `Control`, encodes. Every answer carries `x-request-id`; every error is a `Problem`.
package struct ControlAPI: Sendable {
    let control: any Control
    let readiness: @Sendable () async -> Readiness
    let openAPI: [UInt8]
    let operatorToken: Secret
    let ids: IDSource
    let clock: any Clock
    let logger: Logger

    /// - Parameters:
    ///   - readiness: asked for each `/readyz`; it must not wait for anything slow.
    ///   - openAPI: the description in YAML.
    ///   - operatorToken: the credential of whoever holds the data folder, `vo_…`.
    package init(
        control: any Control, readiness: @escaping @Sendable () async -> Readiness, openAPI: [UInt8],
        operatorToken: Secret, ids: IDSource, clock: any Clock, logger: Logger
    ) {
        self.control = control
        self.readiness = readiness
        self.openAPI = openAPI
        self.operatorToken = operatorToken
        self.ids = ids
        self.clock = clock
        self.logger = logger
    }

    /// A responder for every path that the gateway does not answer itself.
    package func makeRouter() -> Router<ControlContext> {
        let router = Router(context: ControlContext.self, options: .autoGenerateHeadEndpoints)
        let routes = publicRoutes + adminRoutes
        router.add(
            middleware: Answers(table: RouteTable(routes + Self.gatewayPaths), ids: ids, clock: clock, logger: logger))
        for route in routes {
            let authority = route.isForOperators ? OperatorAuthority(token: operatorToken) : nil
            router.on(RouterPath(route.path), method: route.method) { request, context in
                try authority?.check(request)
                return try await route.answer(request, context)
            }
        }
        return router
    }
}

/// One method of one path, with the handler that answers it.
struct Route: Sendable {
    typealias Handler = @Sendable (Request, ControlContext) async throws -> Response

    let method: HTTPRequest.Method
    /// As Hummingbird writes it: `/v1/admin/keys/:id`.
    let path: String
    let isForOperators: Bool
    let answer: Handler

    init(_ method: HTTPRequest.Method, _ path: String, forOperators: Bool = false, answer: @escaping Handler) {
        self.method = method
        self.path = path
        isForOperators = forOperators
        self.answer = answer
    }
}
