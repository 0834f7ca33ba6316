import Foundation
import Kernel
import Logging
import Tenancy
import TestKit
import Testing

@testable import App

@Suite("what doctor says of keys, secrets and anchors")
struct SecretsDoctorTests {
    private func examine(_ installation: Installation, _ environment: [String: String] = [:]) async throws -> Sealing {
        let report = Configuration.load(flags: ["data_dir": installation.folder.path], environment: environment)
        let exists = installation.exists(installation.folder.path + "/volery.db")
        return await Examination(
            report: report, environment: environment, clock: installation.clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ).sealing(report.configuration, installation.folder, database: exists ? .answers : .absent)
    }

    private func row(_ check: String, _ sealing: Sealing) throws -> DoctorRow {
        try #require(Doctor.rows(sealing).first { $0.check == check })
    }

    @Test("before the first start nothing is missing")
    func fresh() async throws {
        let sealing = try await examine(Installation())
        #expect(sealing == Sealing())
        #expect(Doctor.rows(sealing).allSatisfy { $0.status == .ok })
    }

    @Test("afterwards it says where the master key is, and that the anchors are whole")
    func sound() async throws {
        let installation = try Installation()
        try await installation.using { storage in
            try await storage.secrets.put(Secret("sk"), named: "provider/a", at: installation.clock.now)
        }
        let sealing = try await examine(installation)
        #expect(sealing.masterKey == .found(place: installation.folder.masterKeyFile))
        #expect(sealing.anchors == .present)
        #expect(sealing.secrets == [Sealing.Secret(name: "provider/a", age: .zero)])
        #expect(Doctor.rows(sealing).allSatisfy { $0.status == .ok })
    }

    @Test("a secret in use for more than 90 days is named, with the command that replaces it")
    func old() async throws {
        let installation = try Installation()
        try await installation.using { storage in
            try await storage.secrets.put(Secret("sk"), named: "provider/a", at: installation.clock.now)
        }
        installation.clock.advance(by: .seconds(90 * 86_400))
        #expect(try row("secrets", try await examine(installation)).status == .ok)
        installation.clock.advance(by: .seconds(86_400))
        let row = try row("secrets", try await examine(installation))
        #expect(row.status == .warning)
        #expect(row.found == "provider/a is 91 days old")
        #expect(row.remedy == "volery providers rotate-key provider/a --key-file FILE")
    }

    @Test("a key that others can read, and one that is not the database's, are broken")
    func wrongKey() async throws {
        let installation = try Installation()
        try await installation.open().close()
        let file = installation.folder.masterKeyFile
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
        let exposed = try row("master key", try await examine(installation))
        #expect(exposed.status == .broken)
        #expect(exposed.remedy?.contains("chmod 600") == true)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        let other = try await examine(installation, ["VOLERY_MASTER_KEY": Installation.key1])
        #expect(try row("master key", other).status == .broken)
        #expect(other.secrets == nil)
        try FileManager.default.removeItem(atPath: file)
        #expect(try row("master key", try await examine(installation)).status == .broken)
        #expect(!installation.exists(file), "an examination changes nothing")
    }

    @Test("a change of the key that is not finished is told")
    func changing() async throws {
        let installation = try Installation()
        try await installation.open(["VOLERY_MASTER_KEY": Installation.key1]).close()
        let sealing = try await examine(
            installation, ["VOLERY_MASTER_KEY": Installation.key2, "VOLERY_MASTER_KEY_PREVIOUS": Installation.key1])
        let row = try row("master key", sealing)
        #expect(row.status == .warning)
        #expect(row.remedy == "volery secrets reseal")
    }

    @Test("anchors that are gone are broken, once something was logged")
    func anchors() async throws {
        let installation = try Installation()
        try await installation.open().close()
        try FileManager.default.removeItem(atPath: installation.folder.auditAnchorsFile)
        #expect(try await examine(installation).anchors == .absent)
        try await installation.using { storage in try await storage.audit.append(Samples.entry) }
        try FileManager.default.removeItem(atPath: installation.folder.auditAnchorsFile)
        let row = try row("audit anchors", try await examine(installation))
        #expect(row.status == .broken)
        #expect(row.remedy == "volery audit verify")
    }

    @Test(
        "a certificate that cannot be read is broken, one that soon ends is a warning",
        arguments: [
            (Duration.seconds(-1), DoctorRow.Status.broken), (.seconds(13 * 86_400), .warning),
            (.seconds(90 * 86_400), .ok),
        ])
    func certificate(left: Duration, status: DoctorRow.Status) throws {
        var sealing = Sealing()
        #expect(!Doctor.rows(sealing).contains { $0.check == "certificate" })
        sealing.certificate = .valid(left: left)
        #expect(try row("certificate", sealing).status == status)
        sealing.certificate = .failed(Problem(.configurationInvalid))
        #expect(try row("certificate", sealing).status == .broken)
    }
}
