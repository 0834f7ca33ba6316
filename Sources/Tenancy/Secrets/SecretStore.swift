package import Kernel

/// Secrets that the platform itself needs in the clear, such as the keys of outside providers. At rest they are sealed.
///
/// Throws `STORAGE_UNAVAILABLE` or `STORAGE_FULL` when they cannot be kept, `CONFIGURATION_INVALID` when the sealing
/// key is not the one that they were sealed with.
package protocol SecretStore: Sendable {
    /// Keeps a secret, in the place of an older one of the same name.
    /// - Parameter name: `provider/prv_…`; 1 to 200 bytes without white space.
    func put(_ secret: Secret, named name: String, at now: Instant) async throws
    /// Nil when there is none of that name.
    func secret(named name: String) async throws -> Secret?
    /// Names and ages, sorted by name, without unsealing anything.
    func list() async throws -> [SecretFacts]
    /// Removing what is not there is no failure.
    func remove(named name: String) async throws
    /// Seals everything anew under the current key. Until it returns, everything can be read under either key.
    /// - Returns: how many were sealed anew.
    func reseal() async throws -> Int
}

package struct SecretFacts: Sendable, Hashable {
    package let name: String
    /// When this value was put.
    package let stored: Instant

    package init(name: String, stored: Instant) {
        self.name = name
        self.stored = stored
    }

    /// How long a secret may be in use before `doctor` says so.
    package static let longestUse = Duration.seconds(90 * 86_400)
}

/// Seals small values with authenticated encryption, bound to what they are for.
package protocol Sealer: Sendable {
    /// - Parameter purpose: must be the same when it is opened.
    func seal(_ bytes: [UInt8], for purpose: String) throws -> [UInt8]
    /// - Throws: `CONFIGURATION_INVALID` when it was sealed under another key or for another purpose, or was changed.
    func open(_ sealed: [UInt8], for purpose: String) throws -> [UInt8]
}
