import FoundationEssentials
package import Kernel
import NIOCore
import NIOSSL
import Synchronization

/// The edge's certificate. It can be replaced while connections live: each keeps the one that it began with.
package final class EdgeTLS: Sendable {
    private struct State {
        var context: NIOSSLContext
        var loaded: Files
        /// Files that were looked at and are not usable: said once.
        var refused: Files?
    }

    private struct Files: Equatable {
        let certificate: Data
        let key: Data
    }

    private let certificate: String
    private let key: String
    private let state: Mutex<State>

    /// - Parameters:
    ///   - certificate: a PEM file with the certificate and, after it, those that lead to its authority.
    ///   - key: a PEM file with its private key.
    /// - Throws: `CONFIGURATION_INVALID`.
    package init(certificate: String, key: String) throws(Problem) {
        self.certificate = certificate
        self.key = key
        let files = try Self.files(certificate, key)
        state = Mutex(State(context: try Self.context(files, certificate), loaded: files))
    }

    /// For the next connection.
    var context: NIOSSLContext { state.withLock { $0.context } }

    /// Takes over files that changed.
    /// - Returns: whether they did.
    /// - Throws: `CONFIGURATION_INVALID` when the new ones cannot be used, once for the same content.
    ///   The old ones stay.
    package func reload() throws(Problem) -> Bool {
        let files = try Self.files(certificate, key)
        guard state.withLock({ $0.loaded != files && $0.refused != files }) else { return false }
        do throws(Problem) {
            let context = try Self.context(files, certificate)
            state.withLock { $0 = State(context: context, loaded: files) }
            return true
        } catch {
            state.withLock { $0.refused = files }
            throw error
        }
    }

    private static func files(_ certificate: String, _ key: String) throws(Problem) -> Files {
        Files(
            certificate: try read(certificate, "tls_certificate_file"), key: try read(key, "tls_key_file"))
    }

    private static func read(_ path: String, _ setting: String) throws(Problem) -> Data {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            throw Problem(
                .configurationInvalid, "\(path) cannot be read.", parameter: setting,
                hint: "Give the path of a PEM file that this process may read.")
        }
        return data
    }

    private static func context(_ files: Files, _ path: String) throws(Problem) -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMBytes(Array(files.certificate))
            guard !chain.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
            let key = try NIOSSLPrivateKey(bytes: Array(files.key), format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv13
            configuration.applicationProtocols = ["http/1.1"]
            // A client that does not answer the goodbye is not waited for.
            configuration.shutdownTimeout = .seconds(1)
            return try NIOSSLContext(configuration: configuration)
        } catch {
            // The error's own words may repeat what is in the files.
            throw Problem(
                .configurationInvalid, "\(path) and its key are no usable pair of a certificate and a private key.",
                parameter: "tls_certificate_file", hint: "Both must be PEM, and the key the certificate's own.")
        }
    }
}
