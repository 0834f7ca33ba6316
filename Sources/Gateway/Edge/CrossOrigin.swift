import NIOHTTP1

/// Which web pages of other origins may use the API from a browser (CORS). With no origin on the list, the edge says
/// nothing about origins at all.
package struct CrossOrigin: Sendable {
    /// What a page's script may read of an answer, beside what it always may.
    private static let exposed =
        ([
            "x-request-id", "retry-after", "x-should-retry", "idempotent-replayed", "volery-warning",
        ] + AnswerTerms.names).joined(separator: ", ")
    private static let methods = "GET, POST, PUT, PATCH, DELETE"
    private static let maximumAge = "600"

    private let origins: Set<String>
    private let isForAll: Bool

    /// - Parameter origins: as browsers write them (`https://app.example.com`), or `*`.
    package init(origins: [String] = []) {
        self.origins = Set(origins)
        isForAll = origins.contains("*")
    }

    var isOn: Bool { !origins.isEmpty }

    /// A browser asks before it sends what a plain form could not.
    func isPreflight(_ head: RequestHead) -> Bool {
        isOn && head.method == .OPTIONS && head.headers.contains(name: "origin")
            && head.headers.contains(name: "access-control-request-method")
    }

    /// For any answer.
    func fields(for request: some HeaderLookup) -> [(String, String)] {
        guard isOn else { return [] }
        if isForAll {
            return [("access-control-allow-origin", "*"), ("access-control-expose-headers", Self.exposed)]
        }
        // Also without an origin, or a cache would give one page the answer of another.
        guard let origin = request.first(name: "origin"), origins.contains(origin) else { return [("vary", "origin")] }
        return [
            ("access-control-allow-origin", origin), ("access-control-expose-headers", Self.exposed),
            ("vary", "origin"),
        ]
    }

    /// For the answer to a preflight, beside those of any answer. A page that is not on the list is told nothing, and
    /// its browser sends nothing.
    func preflightFields(for request: some HeaderLookup) -> [(String, String)] {
        guard let origin = request.first(name: "origin"), isForAll || origins.contains(origin) else { return [] }
        var fields = [
            ("access-control-allow-methods", Self.methods), ("access-control-max-age", Self.maximumAge),
        ]
        // Named one by one: `*` would not cover `authorization`.
        if let wanted = request.first(name: "access-control-request-headers"), wanted.utf8.count <= 2048 {
            fields.append(("access-control-allow-headers", wanted))
        }
        return fields
    }
}
