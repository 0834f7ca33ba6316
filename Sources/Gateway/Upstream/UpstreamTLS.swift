import NIOCore
import NIOSSL
import Synchronization

/// What https upstreams are checked against, made when the first of them is called: reading the system's authorities
/// takes a while, and many installations have no such upstream.
final class UpstreamTLS: Sendable {
    private let certificates: String?
    private let made = Mutex<NIOSSLContext?>(nil)

    /// - Parameter certificates: a PEM file of the authorities; nil uses the system's. A file is read at once, so that
    ///   one that cannot be used stops the start.
    init(certificates: String?) throws {
        self.certificates = certificates
        if certificates != nil { _ = try context() }
    }

    func context() throws -> NIOSSLContext {
        try made.withLock { made in
            if let made { return made }
            var configuration = TLSConfiguration.makeClientConfiguration()
            // An upstream that is left has no say in it: it gets the notice and is not waited for.
            configuration.shutdownTimeout = .milliseconds(20)
            if let certificates { configuration.trustRoots = .file(certificates) }
            let context = try NIOSSLContext(configuration: configuration)
            made = context
            return context
        }
    }
}
