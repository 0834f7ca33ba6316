import Cryptography
import Kernel
import Tenancy

/// The secret store of the settings. Sealing anew also takes in what is sealed elsewhere, and ends a change of the
/// master key.
struct PlatformSecrets: SecretStore {
    let store: any SecretStore
    let keys: PlatformKeys
    let rows: PlatformKeys.Rows
    /// The shared secrets of one-time codes.
    let codes: any SealedCodes

    func put(_ secret: Secret, named name: String, at now: Instant) async throws {
        try await store.put(secret, named: name, at: now)
    }

    func secret(named name: String) async throws -> Secret? { try await store.secret(named: name) }

    func list() async throws -> [SecretFacts] { try await store.list() }

    func remove(named name: String) async throws { try await store.remove(named: name) }

    func reseal() async throws -> Int {
        var count = try await store.reseal()
        for (user, sealed) in try await codes.all() {
            guard let new = try keys.ring.resealed(sealed, for: SealPurpose.oneTimeCodes(of: user)) else { continue }
            if try await codes.replace(sealed, with: new, of: user) { count += 1 }
        }
        try await keys.finishRotation(rows)
        return count
    }
}
