import Cryptography
import Kernel

/// Where the master key was found.
package enum MasterKeyOrigin: Sendable, Equatable {
    case file(String)
    /// The variable's name.
    case environment(String)
    case credential(String)
    case dataFolder(String)

    /// For people.
    package var place: String {
        switch self {
        case .file(let path), .dataFolder(let path): path
        case .environment(let variable): "\(variable) in the environment"
        case .credential(let path): "systemd's credential \(path)"
        }
    }
}

/// Looks for the master key: the setting, the environment, systemd's credential, the data folder, in this order.
struct MasterKeySource: Sendable {
    let settings: MasterKeySettings
    let folder: DataFolder

    struct Found: Sendable {
        let key: MasterKey
        let origin: MasterKeyOrigin
    }

    /// Nil when there is none anywhere: then one is made, unless the database knows of one.
    /// - Throws: `CONFIGURATION_INVALID` for what is no key, is missing where it was said to be, or can be read by
    ///   others.
    func current() throws(Problem) -> Found? {
        if let path = settings.file {
            return Found(key: try named(path, parameter: Settings.masterKeyFile.key), origin: .file(path))
        }
        if let text = settings.text {
            return Found(
                key: try key(text, in: .environment(MasterKeySettings.variable), parameter: nil),
                origin: .environment(MasterKeySettings.variable))
        }
        // systemd closes its folder to everybody else; where it does so by an access list, the mode looks open.
        if let path = settings.credential, let text = try SecretFile(path: path).read(checksExposure: false) {
            return Found(key: try key(text, in: .credential(path), parameter: nil), origin: .credential(path))
        }
        let path = folder.masterKeyFile
        guard let text = try SecretFile(path: path).read() else { return nil }
        return Found(key: try key(text, in: .dataFolder(path), parameter: nil), origin: .dataFolder(path))
    }

    /// The key before it, where somebody gave one.
    func previous() throws(Problem) -> MasterKey? {
        if let path = settings.previousFile { return try named(path, parameter: Settings.masterKeyPreviousFile.key) }
        return try settings.previousText.map { text throws(Problem) in
            try key(text, in: .environment(MasterKeySettings.previousVariable), parameter: nil)
        }
    }

    private func named(_ path: String, parameter: String) throws(Problem) -> MasterKey {
        guard let text = try SecretFile(path: path).read(parameter: parameter) else {
            throw Problem(
                .configurationInvalid, "The master key's file \(path) does not exist.", parameter: parameter,
                hint: "Correct the path, or make a key: `head -c 32 /dev/urandom | base64 > \(path)` with mode 600.")
        }
        return try key(text, in: .file(path), parameter: parameter)
    }

    private func key(_ text: Secret, in origin: MasterKeyOrigin, parameter: String?) throws(Problem) -> MasterKey {
        guard let key = MasterKey(text) else {
            throw Problem(
                .configurationInvalid, "What is in \(origin.place) is no master key.", parameter: parameter,
                hint: "A master key is 32 random bytes in base64 or hexadecimal: `head -c 32 /dev/urandom | base64`.")
        }
        return key
    }
}

extension DataFolder {
    /// Where the first start puts the master key that it makes.
    package var masterKeyFile: String { path + "/master-key" }
    package var sealedSecretsFile: String { path + "/secrets.sealed" }
    package var auditAnchorsFile: String { path + "/audit-anchors" }
    package var ledgerAnchorsFile: String { path + "/ledger-anchors" }
}
