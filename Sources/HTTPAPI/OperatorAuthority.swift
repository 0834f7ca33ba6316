import HTTPTypes
import Hummingbird
import Kernel
import Tenancy

/// Lets in whoever holds the data folder's operator token.
struct OperatorAuthority: Sendable {
    static let scheme = "Bearer "

    let token: Secret

    func check(_ request: Request) throws(Problem) {
        let fields = request.headers[values: .authorization]
        guard let field = fields.first else {
            throw Problem(
                .authenticationRequired, "The request carries no operator token.",
                hint: "Send `Authorization: Bearer vo_…`; the token is in the file operator-token of the data folder.")
        }
        guard fields.count == 1, field.count > Self.scheme.count,
            field.prefix(Self.scheme.count).lowercased() == Self.scheme.lowercased()
        else { throw refused }
        let text = String(field.dropFirst(Self.scheme.count))
        if Secret(text) == token { return }
        guard KeyToken(text) == nil else {
            throw Problem(
                .policyDenied, "API keys may not administer the platform.",
                hint: "Use the operator token from the file operator-token of the data folder.")
        }
        throw refused
    }

    private var refused: Problem {
        Problem(
            .invalidAPIKey, "The operator token is not the one of this platform.",
            hint: "Send the content of the file operator-token in the data folder as `Authorization: Bearer vo_…`.")
    }
}
