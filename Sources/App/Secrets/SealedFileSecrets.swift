package import Cryptography
import FoundationEssentials
package import Kernel
package import Tenancy

/// Secrets in one file of the data folder, each sealed by itself. Every change writes a new file and puts it in the old
/// one's place, durably. One process at a time writes: the one that holds the data folder.
package struct SealedFileSecrets: SecretStore {
    private let file: String
    private let ring: KeyRing
    private let announce: @Sendable () async throws -> Void
    private let queue = FileQueue("secrets")

    /// - Parameters:
    ///   - file: need not be there.
    ///   - announce: says that a provider's secret changed.
    package init(file: String, ring: KeyRing, announce: @escaping @Sendable () async throws -> Void = {}) {
        self.file = file
        self.ring = ring
        self.announce = announce
    }

    package func put(_ secret: Secret, named name: String, at now: Instant) async throws {
        try SecretName.check(name)
        let sealed = try ring.seal(Array(secret.reveal().utf8), for: SealPurpose.secret(name))
        try await change(name) { $0.secrets[name] = Contents.Entry(stored: now, sealed: Data(sealed)) }
    }

    package func secret(named name: String) async throws -> Secret? {
        guard let entry = try await contents().secrets[name] else { return nil }
        let bytes = try ring.open(Array(entry.sealed), for: SealPurpose.secret(name))
        return Secret(String(decoding: bytes, as: UTF8.self))
    }

    package func list() async throws -> [SecretFacts] {
        try await contents().secrets.map { SecretFacts(name: $0, stored: $1.stored) }.sorted { $0.name < $1.name }
    }

    package func remove(named name: String) async throws {
        guard try await contents().secrets[name] != nil else { return }
        try await change(name) { $0.secrets[name] = nil }
    }

    package func reseal() async throws -> Int {
        try await queue.run { [file, ring] in
            var contents = try Contents.read(file)
            var count = 0
            for (name, entry) in contents.secrets {
                guard let sealed = try ring.resealed(Array(entry.sealed), for: SealPurpose.secret(name)) else {
                    continue
                }
                contents.secrets[name] = Contents.Entry(stored: entry.stored, sealed: Data(sealed))
                count += 1
            }
            if count > 0 { try contents.write(file) }
            return count
        }
    }

    private func contents() async throws -> Contents {
        try await queue.run { [file] in try Contents.read(file) }
    }

    private func change(_ name: String, _ change: @escaping @Sendable (inout Contents) -> Void) async throws {
        try await queue.run { [file] in
            var contents = try Contents.read(file)
            change(&contents)
            try contents.write(file)
        }
        if name.hasPrefix("provider/") { try await announce() }
    }
}

/// The file as it is: names and ages in the clear, values sealed.
private struct Contents: Codable {
    struct Entry: Codable {
        let stored: Instant
        let sealed: Data
    }

    private static let newest = 1
    private static let longest = 16 << 20

    var version = newest
    var secrets: [String: Entry] = [:]

    static func read(_ file: String) throws -> Contents {
        guard let text = try DataFolder.read(file, limit: longest) else { return Contents() }
        guard let contents = try? JSONDecoder().decode(Contents.self, from: Data(text.utf8)),
            contents.version <= newest
        else {
            throw Problem(
                .configurationInvalid, "\(file) is damaged, or was written by a newer Volery.",
                hint: "Restore it from a backup. Without one, move it away and store the keys of the providers again.")
        }
        return contents
    }

    func write(_ file: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        try DataFolder.write(String(decoding: try encoder.encode(self), as: UTF8.self), to: file)
    }
}

enum SecretName {
    /// - Throws: `VALIDATION_ERROR`.
    static func check(_ name: String) throws(Problem) {
        guard (1...200).contains(name.utf8.count), name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Problem(
                .validationError, "A secret's name has 1 to 200 printable ASCII characters without spaces.",
                parameter: "name")
        }
        guard !name.hasPrefix(platform) else {
            throw Problem(
                .validationError, "Names that begin with `\(platform)` belong to the platform.", parameter: "name")
        }
    }

    /// Of rows that are no secrets of anybody's, such as the audit log's key.
    static let platform = "platform/"
}
