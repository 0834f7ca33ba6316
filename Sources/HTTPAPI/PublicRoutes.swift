import Flows
import HTTPTypes
import Hummingbird
import Kernel

extension ControlAPI {
    private static let probe = RouteAction.open("Probes of load balancers carry no credential.")
    private static let manual = RouteAction.open("It is the manual, and the same on every installation.")

    var publicRoutes: [Route] {
        [
            Route(
                .get, "/livez", Self.probe,
                .open { _, _ in Response(bytes: Array(#"{"status":"live"}"#.utf8), type: "application/json") }),
            Route(
                .get, "/readyz", Self.probe,
                .open { request, _ in
                    let readiness = await readiness()
                    let isOperator = authentication.isOperator(request.headers[values: .authorization])
                    return try JSONBody.response(
                        isOperator ? readiness : readiness.forEverybody,
                        status: readiness.isReady ? .ok : .serviceUnavailable)
                }),
            Route(
                .get, "/openapi.yaml", Self.manual,
                .open { _, _ in Response(bytes: openAPI, type: "application/yaml") }),
            Route(
                .get, "/docs/errors", Self.manual,
                .open { _, _ in Response(bytes: Array(ErrorPage.index.utf8), type: ErrorPage.type) }),
            Route(
                .get, "/docs/errors/:code", Self.manual,
                .open { _, context in
                    guard let text = context.parameters.get("code"), let code = ErrorCode(rawValue: text) else {
                        throw Problem(
                            .notFound, "No error has this code.", parameter: "code",
                            hint: "GET /docs/errors lists all codes.")
                    }
                    return Response(bytes: Array(ErrorPage.text(of: code).utf8), type: ErrorPage.type)
                }),
        ]
    }
}

/// The catalog for people, in the words of docs/errors.
enum ErrorPage {
    static let type = "text/markdown; charset=utf-8"

    static func text(of code: ErrorCode) -> String {
        """
        # \(code.rawValue)

        **HTTP status** \(code.status) · **OpenAI type** `\(code.openAIType)` · **worth a retry** \
        \(code.isRetryable ? "yes" : "no: the same request fails again")

        ## What it means

        \(code.meaning)

        ## What you can do

        \(code.remedy)

        """ + (code.more.isEmpty ? "" : "\n\(code.more)\n")
    }

    static var index: String {
        let rows = ErrorCode.allCases.map {
            "| [\($0.rawValue)](/docs/errors/\($0.rawValue)) | \($0.status) | \($0.meaning) |"
        }
        return "# Error codes\n\n| code | status | meaning |\n|---|---|---|\n\(rows.joined(separator: "\n"))\n"
    }
}
