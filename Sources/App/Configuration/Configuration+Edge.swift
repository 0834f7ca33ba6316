package import Kernel

extension Configuration {
    package struct EdgeSettings: Sendable, Equatable {
        package var trustedProxies: [AddressRange] = []
        /// In a minute; 0 for no limit.
        package var failedCredentialLimit = 20
        package var keyMaxStaleness = Duration.seconds(300)
        package var corsOrigins: [String] = []
        package var tls: TLSFiles?

        package init() {}
    }

    /// Absolute.
    package struct TLSFiles: Sendable, Equatable {
        package let certificate: String
        package let key: String

        package init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    static func readEdge(_ reader: inout SettingsReader, dataDir: String, absolute: (String) -> String) -> EdgeSettings
    {
        var edge = EdgeSettings()
        edge.trustedProxies = reader.value(of: Settings.trustedProxies, or: [])
        edge.failedCredentialLimit = reader.value(of: Settings.failedCredentialLimit, or: 20)
        edge.keyMaxStaleness = reader.value(of: Settings.keyMaxStaleness, or: .seconds(300))
        edge.corsOrigins = reader.value(of: Settings.corsOrigins, or: [])
        edge.tls = readTLS(&reader, dataDir: dataDir, absolute: absolute)
        return edge
    }

    private static func readTLS(
        _ reader: inout SettingsReader, dataDir: String, absolute: (String) -> String
    ) -> TLSFiles? {
        let hasCertificate = reader.text(of: Settings.tlsCertificateFile) != nil
        let hasKey = reader.text(of: Settings.tlsKeyFile) != nil
        guard hasCertificate || hasKey else { return nil }
        let certificate = reader.value(of: Settings.tlsCertificateFile, or: "")
        let key = reader.value(of: Settings.tlsKeyFile, or: "")
        guard hasCertificate, hasKey else {
            let missing = hasCertificate ? Settings.tlsKeyFile.key : Settings.tlsCertificateFile.key
            reader.refuse(
                hasCertificate ? Settings.tlsCertificateFile : Settings.tlsKeyFile, "needs `\(missing)` beside it")
            return nil
        }
        if DataFolder(dataDir).controlSocket.utf8.count > DataFolder.longestSocketPath {
            reader.refuse(
                Settings.tlsCertificateFile,
                "needs a data folder with a shorter path: with TLS the command line comes by a socket in it"
            )
        }
        return TLSFiles(certificate: absolute(certificate), key: absolute(key))
    }
}
