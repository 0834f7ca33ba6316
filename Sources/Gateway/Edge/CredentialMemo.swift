import Tenancy

/// The key that a connection's last request showed, with its digest: the same bytes again need not be digested again.
///
/// It remembers work and no verdict. What the digest stands for is asked for every request, so that a key that was
/// revoked, has expired or was not confirmed for too long is refused on an old connection as on a new one.
struct CredentialMemo {
    /// No credential of ours is longer.
    private static let longest = 256

    private var bytes: [UInt8] = []
    private var isBearer = false
    private var digest: Digest256?

    /// - Parameters:
    ///   - value: of the field, as it stands.
    ///   - isBearer: whether the field is `authorization`.
    /// - Returns: nil for another value.
    func digest(of value: UnsafeRawBufferPointer, isBearer: Bool) -> Digest256? {
        guard let digest, isBearer == self.isBearer, value.count == bytes.count else { return nil }
        // All bytes in any case: a proxy's connection has several clients, and how soon the first difference is found
        // must tell one of them nothing of another's key.
        var difference: UInt8 = 0
        for (own, other) in zip(bytes, value) { difference |= own ^ other }
        return difference == 0 ? digest : nil
    }

    /// Called for a credential that was found good.
    mutating func keep(_ digest: Digest256, of value: UnsafeRawBufferPointer, isBearer: Bool) {
        guard value.count <= Self.longest else { return }
        bytes = Array(value)
        self.isBearer = isBearer
        self.digest = digest
    }
}

/// It holds a key: nobody sees it by printing what has one.
extension CredentialMemo: CustomStringConvertible, CustomReflectable {
    var description: String { "<redacted>" }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}
