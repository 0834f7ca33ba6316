import Kernel

/// What the port that callers see does with strangers.
extension Settings {
    static let trustedProxies = Setting<[AddressRange]>(
        "trusted_proxies", fallback: nil, allowed: "a list of addresses or blocks, such as 10.0.0.0/8, 2001:db8::/32",
        help: "Proxies whose x-forwarded-for header is believed; without any, the connection's address is the client."
    ) { text in
        let words = Self.words(text)
        let ranges = words.compactMap { AddressRange($0) }
        return ranges.count == words.count ? ranges : nil
    }
    static let failedCredentialLimit = Setting.integer(
        "failed_credential_limit", 20, in: 0...100_000,
        "Wrong credentials that one address (IPv6: one /64) may send in a minute; 0 for any number.")
    static let keyMaxStaleness = Setting.duration(
        "key_max_staleness", "5m", in: .seconds(1)...Duration.seconds(24 * 3600),
        "How long keys that were checked before are accepted while the database does not answer.")
    static let corsOrigins = Setting<[String]>(
        "cors_origins", fallback: nil, allowed: "a list of origins such as https://app.example.com, or *",
        help: "Web pages of which origins may use the API from a browser."
    ) { text in
        let words = Self.words(text)
        return words.allSatisfy(Self.isOrigin) ? words : nil
    }
    static let tlsCertificateFile = Setting.path(
        "tls_certificate_file", nil,
        "A PEM file with the certificate and those that lead to its authority: the API then speaks TLS 1.3 only. The "
            + "files are read again when they change, and at SIGHUP.")
    static let tlsKeyFile = Setting.path("tls_key_file", nil, "A PEM file with the certificate's private key.")

    private static func words(_ text: String) -> [String] {
        text.split(separator: ",").map { String($0.filter { $0 != " " }) }.filter { !$0.isEmpty }
    }

    /// `scheme://host[:port]` as browsers write it: in lower case, with nothing after it.
    private static func isOrigin(_ text: String) -> Bool {
        if text == "*" { return true }
        guard let scheme = text.firstRange(of: "://"), text[..<scheme.lowerBound].allSatisfy(\.isASCII) else {
            return false
        }
        let place = text[scheme.upperBound...]
        return !text.hasPrefix("://") && !place.isEmpty && text == text.lowercased() && text.utf8.count <= 255
            && place.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"/?#@*".utf8.contains($0) }
    }
}
