import NIOHTTP1

/// What every answer of the edge carries, whichever plane it comes from.
struct AnswerHeaders: Sendable {
    private static let control = [
        ("cache-control", "no-store"), ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ]

    let origins: CrossOrigin
    private let always: [(String, String)]
    /// The same, rendered.
    private let lines: FieldLines

    init(origins: CrossOrigin, isTLS: Bool) {
        self.origins = origins
        let strict = ("strict-transport-security", "max-age=31536000")
        always = [("x-content-type-options", "nosniff")] + (isTLS ? [strict] : [])
        var lines = FieldLines()
        lines.add(always)
        self.lines = lines
    }

    /// For the gateway's own answers.
    func add(to lines: inout FieldLines, for request: some HeaderLookup) {
        lines.add(self.lines)
        if origins.isOn { lines.add(origins.fields(for: request)) }
    }

    /// For the control plane's. What it says itself stays.
    /// - Parameter cross: what `origins` has for the request.
    func add(to headers: inout HTTPHeaders, cross: [(String, String)]) {
        for (name, value) in always + Self.control + cross where !headers.contains(name: name) {
            headers.add(name: name, value: value)
        }
    }
}
