import App
import Foundation
import Kernel
import TestKit
import Testing

@Suite("the master key")
struct SecretsMasterKeyTests {
    private let installation: Installation

    init() throws { installation = try Installation() }

    private var file: String { installation.folder.masterKeyFile }

    private func write(_ text: String, to path: String, mode: Int = 0o600) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test("is made once, in the data folder and for its owner only, and never in the database")
    func made() async throws {
        try await installation.open().close()
        let text = try #require(try DataFolder.read(file))
        #expect(Data(base64Encoded: text)?.count == 32)
        #expect(try installation.mode(file) == 0o600)
        try await installation.open().close()
        #expect(try DataFolder.read(file) == text)
        #expect(try installation.files(with: text) == ["master-key"])
    }

    @Test("of another installation is refused before anything is written, with what to do")
    func another() async throws {
        try await installation.open(["VOLERY_MASTER_KEY": Installation.key1]).close()
        let problem = try #require(try await installation.refusal(["VOLERY_MASTER_KEY": Installation.key2]))
        #expect(problem.code == .configurationInvalid)
        #expect(problem.message.contains("VOLERY_MASTER_KEY"))
        #expect(problem.hint.contains("master_key_previous_file"))
        #expect(!problem.description.contains(Installation.key2))
        #expect(!installation.exists(file), "a key that was given is not kept")
        #expect(try await installation.refusal(["VOLERY_MASTER_KEY": Installation.key1]) == nil)
    }

    @Test("that is gone is not made anew")
    func gone() async throws {
        try await installation.open().close()
        try FileManager.default.removeItem(atPath: file)
        let problem = try #require(try await installation.refusal())
        #expect(problem.code == .configurationInvalid)
        #expect(problem.hint.contains(file))
        #expect(!installation.exists(file))
    }

    @Test("that others can read is refused", arguments: [0o644, 0o640, 0o604, 0o620])
    func exposed(mode: Int) async throws {
        try write(Installation.key1, to: file, mode: mode)
        let problem = try #require(try await installation.refusal())
        #expect(problem.code == .configurationInvalid)
        #expect(problem.message.contains(String(mode, radix: 8)))
        #expect(problem.hint.contains("chmod 600"))
    }

    @Test("comes from a file that the settings name")
    func named() async throws {
        let path = installation.temporary.path("key")
        try write(Installation.key1 + "\n", to: path)
        try await installation.open(["VOLERY_MASTER_KEY_FILE": path]).close()
        #expect(try await installation.refusal(["VOLERY_MASTER_KEY": Installation.key1]) == nil)
        let absent = try await installation.refusal(["VOLERY_MASTER_KEY_FILE": path + ".not"])
        #expect(absent?.message.contains("does not exist") == true)
        try write("nonsense", to: path)
        let nonsense = try #require(try await installation.refusal(["VOLERY_MASTER_KEY_FILE": path]))
        #expect(nonsense.hint.contains("/dev/urandom"))
        #expect(!nonsense.description.contains("nonsense"))
    }

    @Test("comes from systemd's credentials, whose folder nobody else enters")
    func credential() async throws {
        let folder = installation.temporary.path("credentials")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try write(Installation.key1, to: folder + "/master-key", mode: 0o440)
        try await installation.open(["CREDENTIALS_DIRECTORY": folder]).close()
        #expect(!installation.exists(file))
        #expect(try await installation.refusal(["VOLERY_MASTER_KEY": Installation.key1]) == nil)
    }

    @Test("given twice is refused, since only one can be meant")
    func twice() throws {
        let report = Configuration.load(
            flags: ["data_dir": installation.folder.path],
            environment: ["VOLERY_MASTER_KEY": Installation.key1, "VOLERY_MASTER_KEY_FILE": "/x"])
        #expect(report.faults.map(\.key) == ["master_key_file"])
        #expect(!report.faults.description.contains(Installation.key1))
    }

    @Test("is no setting: the report of the settings does not show it, and no warning is about it")
    func unshown() throws {
        let report = Configuration.load(
            flags: ["data_dir": installation.folder.path],
            environment: [
                "VOLERY_MASTER_KEY": Installation.key1, "VOLERY_MASTER_KEY_PREVIOUS": Installation.key2,
            ])
        #expect(report.faults.isEmpty)
        #expect(report.warnings.isEmpty)
        #expect(!"\(report.effective) \(report.configuration)".contains(Installation.key1))
    }

    @Test("a second node with a key of its own is refused, and leaves no key behind")
    func secondNode() async throws {
        try await installation.open().close()
        let second = try Installation()
        let database = ["VOLERY_DATABASE": "sqlite://\(installation.folder.path)/volery.db"]
        let problem = try #require(try await second.refusal(database))
        #expect(problem.code == .configurationInvalid)
        #expect(problem.hint.contains("VOLERY_MASTER_KEY"))
        #expect(!second.exists(second.folder.masterKeyFile))
        let key = try #require(try DataFolder.read(file))
        #expect(try await second.refusal(database.merging(["VOLERY_MASTER_KEY": key]) { $1 }) == nil)
    }
}
