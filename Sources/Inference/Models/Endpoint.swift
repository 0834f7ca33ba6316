package import Kernel

/// Where a deployment answers: `http://127.0.0.1:8081/v1`, without credentials, query or fragment.
///
/// `basePath` comes before every operation's path; a base that ends in `/v1` is not given a second one.
package struct Endpoint: Hashable, Sendable {
    package enum Scheme: String, Sendable {
        case http, https
        /// Not on a network: a model inside the binary.
        case builtIn = "builtin"
    }

    package let scheme: Scheme
    package let host: String
    package let port: Int
    /// Empty, or begins with `/` and does not end with one. Never ends in `/v1`.
    package let basePath: String

    package init(scheme: Scheme, host: String, port: Int, basePath: String = "") {
        self.scheme = scheme
        self.host = host
        self.port = port
        self.basePath = basePath
    }

    /// Reads a URL that a person wrote.
    package init(checking text: String, parameter: String = "endpoint") throws(Problem) {
        guard let endpoint = Endpoint(text) else {
            throw Problem(
                .validationError, "`\(parameter)` is not a usable URL.", parameter: parameter,
                hint: "Use http://HOST[:PORT][/PATH] or https://…, without user, query or fragment.")
        }
        self = endpoint
    }

    package init?(_ text: String) {
        guard let separator = text.firstRange(of: "://") else { return nil }
        guard let scheme = Scheme(rawValue: text[..<separator.lowerBound].lowercased()) else { return nil }
        let rest = text[separator.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash]
        guard !rest.contains(where: { $0 == "?" || $0 == "#" || $0 == "@" || $0.isWhitespace || !$0.isASCII }) else {
            return nil
        }
        let isBracketed = authority.hasPrefix("[")
        let hostEnd =
            isBracketed
            ? authority.firstIndex(of: "]").map(authority.index(after:))
            : authority.firstIndex(of: ":") ?? authority.endIndex
        guard let hostEnd else { return nil }
        let host = isBracketed ? authority[..<hostEnd].dropFirst().dropLast() : authority[..<hostEnd]
        guard !host.isEmpty else { return nil }
        var port = scheme == .https ? 443 : 80
        if hostEnd < authority.endIndex {
            guard authority[hostEnd] == ":", let number = UInt16(authority[authority.index(after: hostEnd)...]),
                number > 0
            else { return nil }
            port = Int(number)
        }
        var path = rest[slash...]
        while path.hasSuffix("/") { path.removeLast() }
        if path.hasSuffix("/v1") { path.removeLast(3) }
        self.init(scheme: scheme, host: String(host), port: port, basePath: String(path))
    }

    /// `host`, or `host:port` where the port is not the scheme's own, as the `Host` header wants it.
    package var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        let isUsual = (scheme == .http && port == 80) || (scheme == .https && port == 443)
        return isUsual ? name : "\(name):\(port)"
    }
}

extension Endpoint: CustomStringConvertible {
    package var description: String {
        scheme == .builtIn ? "builtin://\(host)" : "\(scheme.rawValue)://\(authority)\(basePath)"
    }
}

extension Endpoint {
    private static let ownRanges = [
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "::1/128", "fc00::/7",
        "fe80::/10",
    ].compactMap { AddressRange($0) }
    private static let ownEndings = [
        ".local", ".localhost", ".internal", ".svc", ".cluster.local", ".lan", ".home.arpa",
    ]

    /// Whether its host is on a network of one's own, as far as its address or name tells: RFC 1918, RFC 4193,
    /// RFC 6762, RFC 8375, a name without a dot.
    package var isOwnNetwork: Bool {
        if let address = IPAddress(host) { return Self.ownRanges.contains { $0.contains(address) } }
        let name = host.lowercased()
        return !name.contains(".") || Self.ownEndings.contains { name.hasSuffix($0) }
    }
}
