import FoundationEssentials
import Kernel
import Synchronization
import Tenancy

/// The providers' keys that a file points to.
struct DeclaredKeys: Sendable {
    /// By provider.
    let keys: [String: Secret]
    /// What could not be read. Says only what is a variable or a path for sure: somebody may have put the key itself
    /// there.
    let faults: [String]

    /// - Parameter folder: what paths in the file are relative to.
    static func read(_ providers: [ProviderDeclaration], folder: String, environment: [String: String]) -> DeclaredKeys
    {
        var keys: [String: Secret] = [:]
        var faults: [String] = []
        for provider in providers {
            let text: String?
            switch provider.key {
            case nil: continue
            case .file(let path):
                text = try? DataFolder.read(path.hasPrefix("/") ? path : folder + "/" + path)
                if text == nil {
                    let isPath = ["/", "./", "../"].contains(where: path.hasPrefix)
                    faults.append(
                        "The key file\(isPath ? " \(path)" : "") of the provider `\(provider.name)` cannot be read.")
                }
            case .environment(let variable):
                text = environment[variable]
                if text == nil {
                    let source = "`key_env` of the provider `\(provider.name)` names"
                    faults.append(
                        isName(variable)
                            ? "`\(variable)`, which \(source), is not set." : "The variable that \(source) is not set.")
                }
            }
            guard let text else { continue }
            let isKey = !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            if isKey {
                keys[provider.name] = Secret(text)
            } else {
                faults.append("What the provider `\(provider.name)` has as a key is empty, or no single word.")
            }
        }
        return DeclaredKeys(keys: keys, faults: faults)
    }

    /// Words in capitals, which no provider's key is.
    private static func isName(_ variable: String) -> Bool {
        let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
        let words = variable.utf8.split(separator: UInt8(ascii: "_"))
        return variable.utf8.allSatisfy { (0x41...0x5A).contains($0) || isDigit($0) || $0 == UInt8(ascii: "_") }
            && variable.utf8.filter(isDigit).count <= 2 && words.count <= 8 && words.allSatisfy { $0.count <= 16 }
    }

    /// - Throws: `CONFIGURATION_INVALID` that names every fault.
    func checked() throws(Problem) -> [String: Secret] {
        guard !faults.isEmpty else { return keys }
        throw Problem(
            .configurationInvalid, faults.joined(separator: "\n"), parameter: "providers",
            hint: "Put the key where the file says that it is. `volery config check` only warns of it.")
    }
}

/// Which keys this machine put where, so that the same key is not put again: the platform never gives one back to
/// compare with. In a file of the data folder, hashed as passwords are. Without it, keys are put once more.
final class KeyMemory: Sendable {
    private struct Entry: Codable {
        /// When the platform stored it: somebody else's later key has another time.
        let stored: Instant
        let hash: String
    }

    private let path: String
    private let hasher: any SecretHasher
    private let entries: Mutex<[String: Entry]>

    init(_ folder: DataFolder, hasher: any SecretHasher) {
        path = folder.path + "/declared-keys"
        self.hasher = hasher
        let text = (try? DataFolder.read(path, limit: 1 << 20)) ?? nil
        let read = text.flatMap { try? JSONDecoder().decode([String: Entry].self, from: Data($0.utf8)) }
        entries = Mutex(read ?? [:])
    }

    /// Whether this is the key that the platform stored then.
    func knows(_ key: Secret, of provider: String, stored: Instant?) async throws -> Bool {
        guard let entry = entries.withLock({ $0[provider] }),
            // To what the API says of it.
            entry.stored.milliseconds == stored?.milliseconds
        else { return false }
        return try await hasher.verify(key, against: entry.hash)
    }

    func remember(_ key: Secret, of provider: String, stored: Instant?) async throws {
        guard let stored else { return }
        let entry = Entry(stored: stored, hash: try await hasher.hash(key))
        let all = entries.withLock { entries in
            entries[provider] = entry
            return entries
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try DataFolder.write(String(decoding: try encoder.encode(all), as: UTF8.self), to: path)
    }
}
