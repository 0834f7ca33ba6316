package import Cryptography
package import Kernel
package import Tenancy

/// Secrets as rows of the database, for several nodes: what leaves the process is sealed already.
package struct SealedRowSecrets: SecretStore {
    private let rows: any SealedRows
    private let ring: KeyRing

    package init(rows: any SealedRows, ring: KeyRing) {
        self.rows = rows
        self.ring = ring
    }

    package func put(_ secret: Secret, named name: String, at now: Instant) async throws {
        try SecretName.check(name)
        let sealed = try ring.seal(Array(secret.reveal().utf8), for: SealPurpose.secret(name))
        try await rows.put(SealedRow(name: name, sealed: sealed, stored: now))
    }

    package func secret(named name: String) async throws -> Secret? {
        guard !name.hasPrefix(SecretName.platform), let row = try await rows.row(named: name) else { return nil }
        let bytes = try ring.open(row.sealed, for: SealPurpose.secret(name))
        return Secret(String(decoding: bytes, as: UTF8.self))
    }

    package func list() async throws -> [SecretFacts] {
        try await secrets().map { SecretFacts(name: $0.name, stored: $0.stored) }
    }

    package func remove(named name: String) async throws {
        try SecretName.check(name)
        try await rows.remove(named: name)
    }

    /// Each row by itself: who is interrupted goes on where it was. A value that is put meanwhile is sealed under the
    /// current key already.
    package func reseal() async throws -> Int {
        var count = 0
        for row in try await secrets() {
            guard let sealed = try ring.resealed(row.sealed, for: SealPurpose.secret(row.name)) else { continue }
            if try await rows.replace(row.name, row.sealed, with: sealed) { count += 1 }
        }
        return count
    }

    private func secrets() async throws -> [SealedRow] {
        try await rows.all().filter { !$0.name.hasPrefix(SecretName.platform) }.sorted { $0.name < $1.name }
    }
}
