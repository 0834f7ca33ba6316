/// How the port that callers see behaves, beside its limits.
package struct EdgeOptions: Sendable {
    package var addresses: ClientAddress
    package var origins: CrossOrigin
    /// Nil for a port without TLS.
    package var tls: EdgeTLS?

    package init(
        addresses: ClientAddress = ClientAddress(), origins: CrossOrigin = CrossOrigin(), tls: EdgeTLS? = nil
    ) {
        self.addresses = addresses
        self.origins = origins
        self.tls = tls
    }
}
