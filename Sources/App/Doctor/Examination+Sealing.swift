import Cryptography
import Gateway
import Inference
import Kernel
import Logging
import Stores
import Tenancy

extension Examination {
    /// Reads the database only when it is there and answers.
    func sealing(
        _ configuration: Configuration, _ folder: DataFolder, database state: MachineFacts.DatabaseState
    ) async -> Sealing {
        var sealing = Sealing()
        sealing.certificate = certificate(configuration.edge.tls)
        let source = MasterKeySource(settings: configuration.masterKey, folder: folder)
        let found: MasterKeySource.Found?
        let previous: MasterKey?
        do throws(Problem) {
            found = try source.current()
            previous = try source.previous()
            if let found { sealing.masterKey = .found(place: found.origin.place) }
        } catch {
            sealing.masterKey = .failed(error)
            sealing.secrets = nil
            return sealing
        }
        guard case .answers = state else { return sealing }
        do {
            let opened = try await OpenDatabase(
                configuration, clock: clock, random: SystemRandom(), logger: logger, prepares: false)
            do {
                try await look(into: opened, configuration, source, found, previous, &sealing)
            } catch {
                try await opened.close()
                throw error
            }
            try await opened.close()
        } catch {
            // Also a schema that the next start migrates.
            if sealing.secrets?.isEmpty == true { sealing.secrets = nil }
        }
        return sealing
    }

    private func look(
        into opened: OpenDatabase, _ configuration: Configuration, _ source: MasterKeySource,
        _ found: MasterKeySource.Found?, _ previous: MasterKey?, _ sealing: inout Sealing
    ) async throws {
        let rows = PlatformKeys.Rows(
            record: DatabaseMasterKeyRecord(opened.database), sealed: DatabaseSealedRows(opened.database))
        guard let check = try await rows.record.check() else { return }
        guard try await rows.sealed.row(named: PlatformKeys.auditKeyName) != nil else {
            // Opening the keys would make another one.
            sealing.anchors = .faulty(["The audit log's key is gone from the database."])
            return
        }
        let keys: PlatformKeys
        do {
            // The check is remembered, so that nothing is written here.
            guard found != nil else { throw PlatformKeys.missing(source) }
            keys = try await PlatformKeys.open(
                source, over: rows, random: SystemRandom(), now: clock.now, logger: logger)
        } catch let problem as Problem where problem.code == .configurationInvalid {
            sealing.masterKey = .failed(problem)
            sealing.secrets = nil
            return
        }
        if let found, !constantTimeEqual(check, found.key.check) {
            sealing.masterKey = .changing(place: found.origin.place)
        }
        sealing.secrets = try await ages(opened, configuration, source.folder, keys)
        let anchors = AnchorFile(
            path: source.folder.auditAnchorsFile, sealer: keys.audit.anchors, clock: clock)
        let complaints = try await anchors.complaints()
        let hasEvents = try await !DatabaseAuditStore(opened.database, sealing: keys.audit.chains)
            .heads(changedAfter: nil).isEmpty
        sealing.anchors = complaints.isEmpty ? .present : hasEvents ? .faulty(complaints) : .absent
    }

    private func ages(
        _ opened: OpenDatabase, _ configuration: Configuration, _ folder: DataFolder, _ keys: PlatformKeys
    ) async throws -> [Sealing.Secret] {
        let secrets = StorageParts.secretStore(
            configuration, folder: folder, keys: keys, rows: DatabaseSealedRows(opened.database))
        return try await SecretAges(
            providers: DatabaseProviderStore(opened.database), secrets: secrets, clock: clock
        ).all()
    }

    private func certificate(_ files: Configuration.TLSFiles?) -> Sealing.Certificate {
        guard let files else { return .none }
        do throws(Problem) {
            _ = try EdgeTLS(certificate: files.certificate, key: files.key)
        } catch {
            return .failed(error)
        }
        guard let end = EdgeTLS.expiry(of: files.certificate) else { return .none }
        return .valid(left: end - clock.now)
    }
}
