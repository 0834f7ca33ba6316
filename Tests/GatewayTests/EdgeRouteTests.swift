import Inference
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("Which requests the event loop answers itself")
struct EdgeRouteTests {
    @Test(
        "by method and path, whatever stands behind the path",
        arguments: [
            ("/v1/chat/completions", .inference(.chat)), ("/v1/chat/completions?x=1", .inference(.chat)),
            ("/v1/chat/completions?", .inference(.chat)), ("/v1/messages?beta=true", .inference(.messages)),
            ("/v1/messages/count_tokens", .countTokens), ("/v1/messages/count_tokens?beta=true", .countTokens),
            ("/v1/completions", .inference(.completions)), ("/v1/embeddings", .inference(.embeddings)),
            ("/v1/responses?y", .inference(.responses)), ("/v1/models?limit=2", .wrongMethod(allowed: "GET")),
            ("/v1/models/a%2Fb", .wrongMethod(allowed: "GET")), ("/v1/chat/completions/", .cold), ("/v1/", .cold),
            ("", .cold), ("*", .cold), ("/", .cold), ("?/v1/messages", .cold), ("/v2/chat/completions", .cold),
        ] as [(String, EdgeRoute)])
    func posted(target: String, route: EdgeRoute) {
        #expect(EdgeRoute.of(head(.POST, target)) == route)
    }

    @Test(
        "a model's name is what its path says, decoded where it can be",
        arguments: [
            ("/v1/models", .models), ("/v1/models?x", .models), ("/v1/models/a%2Fb?x", .model("a/b")),
            ("/v1/models/a%zz", .model("a%zz")), ("/v1/chat/completions?x", .wrongMethod(allowed: "POST")),
        ] as [(String, EdgeRoute)])
    func got(target: String, route: EdgeRoute) {
        #expect(EdgeRoute.of(head(.GET, target)) == route)
    }

    private func head(_ method: HTTPMethod, _ target: String) -> RequestHead {
        RequestHead(
            version: .http1_1, method: method, uri: target, headers: HeaderFields(), contentLength: nil,
            isKeepAlive: true)
    }
}
