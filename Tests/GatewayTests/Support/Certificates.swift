import Foundation
import NIOSSL

/// Self-signed certificates for `localhost`, made by openssl.
struct Certificates {
    struct Pair {
        let certificate: String
        let key: String
    }

    struct OpenSSLFailed: Error {
        let status: Int32
    }

    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "volery-tls-\(ProcessInfo.processInfo.globallyUniqueString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func remove() throws { try FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appending(path: name).path() }

    func make(_ name: String) throws -> Pair {
        let pair = Pair(certificate: path("\(name).pem"), key: path("\(name).key"))
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            pair.key, "-out", pair.certificate, "-days", "2", "-subj", "/CN=\(name)", "-addext",
            "subjectAltName=DNS:localhost",
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw OpenSSLFailed(status: process.terminationStatus) }
        return pair
    }

    func copy(_ source: String, to target: String) throws {
        try Data(contentsOf: URL(filePath: source)).write(to: URL(filePath: target), options: .atomic)
    }

    /// A client that trusts this certificate and no other.
    static func client(
        trusting certificate: String, most version: TLSVersion = .tlsv13, protocols: [String] = []
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(certificate))
        configuration.maximumTLSVersion = version
        configuration.applicationProtocols = protocols
        return try NIOSSLContext(configuration: configuration)
    }
}
