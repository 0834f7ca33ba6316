package import Kernel

/// How the edge tells the control plane where a request comes from: a header that it sets itself on every request that
/// goes there, in the place of whatever a client sent under that name.
package enum ClientAddressField {
    package static let name = "volery-client-address"

    /// - Parameter value: of the header; nil when it is missing.
    /// - Returns: nil for a request that came over the data folder's own socket.
    package static func address(in value: String?) -> IPAddress? { value.flatMap { IPAddress($0) } }
}
