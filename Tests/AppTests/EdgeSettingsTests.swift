import App
import Kernel
import Testing

@Suite struct EdgeSettingsTests {
    private func load(_ settings: [String: String], dataDir: String = "/data") -> ConfigurationReport {
        var environment = ["VOLERY_DATA_DIR": dataDir]
        for (key, value) in settings { environment["VOLERY_" + key.uppercased()] = value }
        return Configuration.load(
            flags: [:], environment: environment,
            surroundings: Configuration.Surroundings(workingDirectory: "/work") { _ in nil })
    }

    @Test("without settings nobody is trusted, no origin is allowed, and the port speaks in the clear")
    func usual() throws {
        let edge = try load([:]).checked().edge
        #expect(edge == Configuration.EdgeSettings())
        #expect(edge.trustedProxies.isEmpty && edge.corsOrigins.isEmpty && edge.tls == nil)
        #expect(edge.failedCredentialLimit == 20)
        #expect(edge.keyMaxStaleness == .seconds(300))
    }

    @Test("lists are read with and without spaces")
    func lists() throws {
        let edge = try load([
            "trusted_proxies": "10.0.0.0/8, 2001:db8::/32,127.0.0.1",
            "cors_origins": "https://app.example.com, http://localhost:3000,app://desktop",
        ]).checked().edge
        #expect(edge.trustedProxies.map(\.description) == ["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"])
        #expect(edge.corsOrigins == ["https://app.example.com", "http://localhost:3000", "app://desktop"])
        #expect(try load(["cors_origins": "*"]).checked().edge.corsOrigins == ["*"])
    }

    @Test(
        "what could only be a mistake is refused",
        arguments: [
            ("trusted_proxies", "10.0.0.1/8"), ("trusted_proxies", "10.0.0.0/33"), ("trusted_proxies", "proxy.local"),
            ("cors_origins", "app.example.com"), ("cors_origins", "https://app.example.com/"),
            ("cors_origins", "https://App.example.com"), ("cors_origins", "https://*.example.com/x"),
            ("cors_origins", "://x"), ("failed_credential_limit", "-1"), ("key_max_staleness", "0s"),
        ])
    func refused(key: String, value: String) {
        #expect(load([key: value]).faults.map(\.key) == [key])
    }

    @Test("a certificate needs its key, and a key its certificate; relative paths belong to the working folder")
    func tls() throws {
        #expect(load(["tls_certificate_file": "a.pem"]).faults.map(\.key) == ["tls_certificate_file"])
        #expect(load(["tls_key_file": "a.key"]).faults.map(\.key) == ["tls_key_file"])
        let both = ["tls_certificate_file": "a.pem", "tls_key_file": "/etc/a.key"]
        #expect(
            try load(both).checked().edge.tls
                == Configuration.TLSFiles(certificate: "/work/a.pem", key: "/etc/a.key"))
        let deep = "/" + String(repeating: "d", count: 100)
        #expect(load(both, dataDir: deep).faults.map(\.key) == ["tls_certificate_file"])
    }

    @Test("the command line's socket is named by a URL in which nothing of its path is special")
    func socket() {
        #expect(PlatformFile.url(socket: "/a b/c.sock") == "http+unix://%2Fa%20b%2Fc%2Esock")
        #expect(PlatformFile.url(host: "0.0.0.0", port: 8443, isTLS: true) == "https://127.0.0.1:8443")
        #expect(PlatformFile.url(host: "::1", port: 8443, isTLS: true) == "https://[::1]:8443")
    }
}
