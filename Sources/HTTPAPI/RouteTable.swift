import HTTPTypes
import Hummingbird
import Kernel
import Tenancy

/// Knows which methods a path has, so that a wrong one is told from an unknown path.
struct RouteTable: Sendable {
    private let entries: [(method: String, segments: [Substring])]

    init(_ routes: [Route]) {
        entries = routes.map { ($0.method.rawValue, Self.segments(of: $0.path)) }
    }

    /// The path's methods, sorted; empty when nothing answers there. A path that is written out wins over one with an
    /// identifier in that place.
    func methods(at path: String) -> [String] {
        let segments = Self.segments(of: path)
        let matching = entries.filter { Self.matches($0.segments, segments) }
        let fewest = matching.map { Self.places($0.segments) }.min()
        var methods = Set(matching.filter { Self.places($0.segments) == fewest }.map(\.method))
        if methods.contains("GET") { methods.insert("HEAD") }
        return methods.sorted()
    }

    private static func segments(of path: String) -> [Substring] { path.split(separator: "/") }

    private static func places(_ pattern: [Substring]) -> Int { pattern.count { $0.hasPrefix(":") } }

    private static func matches(_ pattern: [Substring], _ path: [Substring]) -> Bool {
        pattern.count == path.count && zip(pattern, path).allSatisfy { $0.hasPrefix(":") || $0 == $1 }
    }
}

extension ControlAPI {
    /// What the gateway answers. Here for the `Allow` header, should such a request come this way, and so that the
    /// list of routes is whole.
    static let gatewayPaths: [Route] = [
        Route(.post, "/v1/chat/completions", .permission(.inferenceExecute), .gateway),
        Route(.post, "/v1/completions", .permission(.inferenceExecute), .gateway),
        Route(.post, "/v1/embeddings", .permission(.inferenceExecute), .gateway),
        Route(.post, "/v1/messages", .permission(.inferenceExecute), .gateway),
        Route(.post, "/v1/messages/count_tokens", .permission(.inferenceExecute), .gateway),
        Route(.post, "/v1/responses", .permission(.inferenceExecute), .gateway),
        Route(.get, "/v1/models", .permission(.modelRead), .gateway),
        Route(.get, "/v1/models/:id", .permission(.modelRead), .gateway),
    ]
}
