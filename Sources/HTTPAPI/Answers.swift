import Flows
import HTTPTypes
import Hummingbird
import Kernel
import Logging
import NIOCore

/// Around every request: gives it an identifier, turns what is thrown into the one error shape of its path, and logs
/// one line.
struct Answers: RouterMiddleware {
    typealias Context = ControlContext

    let table: RouteTable
    let ids: IDSource
    let clock: any Clock
    let logger: Logger

    func handle(
        _ request: Request, context: ControlContext,
        next: (Request, ControlContext) async throws -> Response
    ) async throws -> Response {
        let id: Kernel.RequestID = ids.next()
        let began = clock.uptime
        var context = context
        context.logger[metadataKey: "request_id"] = .stringConvertible(id)
        context.requestID = id
        var response: Response
        var code: ErrorCode?
        do {
            response = try await next(request, context)
        } catch {
            let (problem, allowed) = problem(for: error, request: request, id: id)
            code = problem.code
            response = Self.render(problem, path: request.uri.path, id: id)
            if let allowed { response.headers[.allow] = allowed.joined(separator: ", ") }
        }
        response.headers[.requestID] = id.description
        log(request, context: context, id: id, status: response.status.code, code: code, took: clock.uptime - began)
        return response
    }

    /// The one mapping from an error to what a caller sees. What is not a `Problem` is ours to explain in the log.
    private func problem(for error: any Error, request: Request, id: Kernel.RequestID) -> (Problem, allowed: [String]?)
    {
        switch error {
        case let problem as Problem:
            return (problem, nil)
        case let error as HTTPError where error.status == .notFound:
            return missing(request)
        case is NIOTooManyBytesError:
            return (Problem(.payloadTooLarge, hint: "Send less than \(JSONBody.limit) bytes."), nil)
        case is CancellationError:
            return (Problem(.shuttingDown, retryAfter: 1), nil)
        case let error as HTTPError where (400..<500).contains(error.status.code):
            return (Problem(.validationError), nil)
        default:
            logger.error(
                "a control request failed for a reason that is not in the catalog",
                metadata: ["request_id": .stringConvertible(id), "error": .string(String(reflecting: error))])
            return (Problem(.internalError), nil)
        }
    }

    private func missing(_ request: Request) -> (Problem, allowed: [String]?) {
        let allowed = table.methods(at: request.uri.path)
        guard !allowed.isEmpty else { return (Problem(.notFound, "Nothing answers at this path."), nil) }
        let list = allowed.joined(separator: ", ")
        let message = "This path does not have the method \(request.method.rawValue)."
        return (Problem(.methodNotAllowed, message, hint: "Use \(list)."), allowed)
    }

    private static let ours = [
        "/v1/admin", "/v1/auth", "/v1/usage", "/v1/budgets", "/v1/billing", "/v1/quotes", "/v1/requests",
    ]

    /// OpenAI's shape on the inference paths, whose clients expect it; problem details everywhere else.
    static func render(_ problem: Problem, path: String, id: Kernel.RequestID) -> Response {
        let isOurs = ours.contains { path == $0 || path.hasPrefix($0 + "/") }
        let isInference = path.hasPrefix("/v1/") && !isOurs
        let bytes =
            isInference
            ? ProblemBody.openAI(problem, request: id) : ProblemBody.details(problem, request: id)
        var response = Response(
            status: HTTPResponse.Status(code: problem.status), bytes: bytes,
            type: isInference ? "application/json" : ProblemBody.detailsContentType)
        for (name, value) in ProblemBody.headers(of: problem) {
            if let name = HTTPField.Name(name) { response.headers[name] = value }
        }
        return response
    }

    private func log(
        _ request: Request, context: ControlContext, id: Kernel.RequestID, status: Int, code: ErrorCode?, took: Duration
    ) {
        // The route, not the path: a path is a caller's text and may hold anything.
        let route = context.endpointPath ?? "none"
        let isProbe = route == "/livez" || route == "/readyz"
        var metadata: Logger.Metadata = [
            "request_id": .stringConvertible(id), "method": .string(request.method.rawValue),
            "route": .string(route), "status": .stringConvertible(status),
            "duration_seconds": .stringConvertible(took.seconds),
        ]
        if let code { metadata["code"] = .string(code.rawValue) }
        logger.log(level: isProbe ? .debug : .info, "control request", metadata: metadata)
    }
}

extension HTTPField.Name {
    static var requestID: HTTPField.Name { xRequestID }
    // The literal is a valid field name; the fallback only keeps this free of a force unwrap.
    private static let xRequestID = HTTPField.Name("x-request-id") ?? .server
}

extension Response {
    init(status: HTTPResponse.Status = .ok, bytes: [UInt8], type: String) {
        var headers = HTTPFields()
        headers[.contentType] = type
        self.init(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
