import Hummingbird
import Kernel

/// Knows which methods a path has, so that a wrong one is told from an unknown path.
struct RouteTable: Sendable {
    private let entries: [(method: String, segments: [Substring])]

    init(_ routes: [Route]) {
        entries = routes.map { ($0.method.rawValue, Self.segments(of: $0.path)) }
    }

    /// The path's methods, sorted; empty when nothing answers there.
    func methods(at path: String) -> [String] {
        let segments = Self.segments(of: path)
        var methods = Set(entries.filter { Self.matches($0.segments, segments) }.map(\.method))
        if methods.contains("GET") { methods.insert("HEAD") }
        return methods.sorted()
    }

    private static func segments(of path: String) -> [Substring] { path.split(separator: "/") }

    private static func matches(_ pattern: [Substring], _ path: [Substring]) -> Bool {
        pattern.count == path.count && zip(pattern, path).allSatisfy { $0.hasPrefix(":") || $0 == $1 }
    }
}

extension ControlAPI {
    /// What the gateway answers. Here only for the `Allow` header, should such a request come this way.
    static let gatewayPaths: [Route] = [
        gateway(.post, "/v1/chat/completions"), gateway(.post, "/v1/completions"), gateway(.post, "/v1/embeddings"),
        gateway(.get, "/v1/models"), gateway(.get, "/v1/models/:id"),
    ]

    private static func gateway(_ method: HTTPRequest.Method, _ path: String) -> Route {
        Route(method, path) { _, _ in throw Problem(.notFound) }
    }
}
