import Flows
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Kernel

extension SignIn: AdminBody {
    static var fields: [String] { ["user", "password", "code"] }
}

extension ControlAPI {
    var sessionRoutes: [Route] {
        [
            Route(
                .post, "/v1/auth/sessions", .open("Whoever signs in has no credential yet."),
                .open { request, context in
                    let body = try await JSONBody.read(SignIn.self, from: request)
                    let session = try await signIn.begin(
                        body, from: Self.address(of: request), request: context.requestID ?? ids.next())
                    return try Reply.created(session).response
                }),
            Route(
                .delete, "/v1/auth/sessions/current", .authenticated,
                .admin { asked in try .json(await signIn.end(asked.caller)) }),
        ]
    }
}
