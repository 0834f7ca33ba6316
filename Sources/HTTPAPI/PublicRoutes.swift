import Flows
import Hummingbird
import Kernel

extension ControlAPI {
    var publicRoutes: [Route] {
        [
            Route(.get, "/livez") { _, _ in
                Response(bytes: Array(#"{"status":"live"}"#.utf8), type: "application/json")
            },
            Route(.get, "/readyz") { _, _ in
                let readiness = await readiness()
                return try JSONBody.response(readiness, status: readiness.isReady ? .ok : .serviceUnavailable)
            },
            Route(.get, "/openapi.yaml") { _, _ in
                Response(bytes: openAPI, type: "application/yaml")
            },
            Route(.get, "/docs/errors") { _, _ in
                Response(bytes: Array(ErrorPage.index.utf8), type: ErrorPage.type)
            },
            Route(.get, "/docs/errors/:code") { _, context in
                guard let text = context.parameters.get("code"), let code = ErrorCode(rawValue: text) else {
                    throw Problem(
                        .notFound, "No error has this code.", parameter: "code",
                        hint: "GET /docs/errors lists all codes.")
                }
                return Response(bytes: Array(ErrorPage.text(of: code).utf8), type: ErrorPage.type)
            },
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

        """
    }

    static var index: String {
        let rows = ErrorCode.allCases.map {
            "| [\($0.rawValue)](/docs/errors/\($0.rawValue)) | \($0.status) | \($0.meaning) |"
        }
        return "# Error codes\n\n| code | status | meaning |\n|---|---|---|\n\(rows.joined(separator: "\n"))\n"
    }
}
