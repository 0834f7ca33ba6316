package import Kernel
import NIOSSL

extension EdgeTLS {
    /// When the first certificate of the file ends; nil when the file holds none.
    package static func expiry(of certificate: String) -> Instant? {
        let chain = try? NIOSSLCertificate.fromPEMFile(certificate)
        return (chain?.first).map { Instant(microseconds: Int64($0.notValidAfter) * 1_000_000) }
    }
}
