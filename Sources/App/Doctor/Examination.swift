import Database
import Journal
package import Kernel
package import Logging
import Runtimes

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Gathers `MachineFacts` for one data folder. Changes nothing.
package struct Examination: Sendable {
    private let report: ConfigurationReport
    private let environment: [String: String]
    let clock: any Clock
    let logger: Logger

    package init(
        report: ConfigurationReport, environment: [String: String], clock: any Clock, logger: Logger
    ) {
        self.report = report
        self.environment = environment
        self.clock = clock
        self.logger = logger
    }

    package func facts() async -> MachineFacts {
        let configuration = report.configuration
        let folder = DataFolder(configuration.dataDir)
        let probe = MachineProbe(driver: ProcessDriver(clock: clock, logger: logger), clock: clock)
        let platform = runningPlatform(folder)
        async let swift = probe.swiftVersion()
        async let libraries = probe.libraries(usesPostgres: configuration.database.isShared)
        async let python = probe.python()
        let (models, recipes) = await models(configuration.dataDir)
        let database = await database(configuration, folder, platform)
        var facts = await MachineFacts(
            swift: swift, libraries: libraries, python: python, settings: settings(recipes),
            folder: probe.folder(folder.path), freeBytes: probe.freeBytes(below: folder.path),
            ports: ports(configuration, platform), clock: probe.clockReading(writtenIn: folder.path), models: models,
            usesDefaultModels: configuration.defaultModels,
            database: database, journal: journal(folder),
            platform: platform.map { .running(url: $0.url, pid: $0.pid) } ?? .stopped)
        facts.sealing = await sealing(configuration, folder, database: database)
        return facts
    }

    private func settings(_ recipes: Problem?) -> MachineFacts.Settings {
        do {
            _ = try report.checked()
            return recipes.map { .bad($0) } ?? .good
        } catch {
            return .bad(error)
        }
    }

    private func models(_ dataDir: String) async -> ([MachineFacts.ModelFiles], Problem?) {
        do {
            let models = try await ModelStock.open(
                dataDir: dataDir, environment: environment, clock: clock, logger: logger
            ) { $0.facts(for: $0.defaults) }
            return (models, nil)
        } catch {
            return ([], error as? Problem)
        }
    }

    /// Only where its lock is held does the file say something about now.
    private func runningPlatform(_ folder: DataFolder) -> PlatformFile? {
        guard folder.exists, let file = try? PlatformFile.read(in: folder) else { return nil }
        guard let lock = try? FolderLock.take(in: folder) else { return file }
        lock.release()
        return nil
    }

    private func ports(_ configuration: Configuration, _ platform: PlatformFile?) -> [MachineFacts.Port] {
        [
            port(
                "API", configuration.host, configuration.port, served: platform?.url, mayMove: false,
                isTLS: configuration.edge.tls != nil),
            port(
                "metrics", configuration.metricsHost, configuration.metricsPort, served: platform?.metricsURL,
                mayMove: !configuration.isMetricsPortChosen),
        ]
    }

    private func port(
        _ purpose: String, _ host: String, _ number: Int, served: String?, mayMove: Bool,
        isTLS: Bool = false
    ) -> MachineFacts.Port {
        let ours = PlatformFile.url(host: host, port: number, isTLS: isTLS)
        let isOurs = served.map { $0 == ours || $0.hasPrefix(ours + "/") } ?? false
        return MachineFacts.Port(
            purpose: purpose, host: host, number: number,
            state: isOurs ? .ours : PortProbe.state(host: host, port: number), mayMove: mayMove)
    }

    private func journal(_ folder: DataFolder) -> MachineFacts.JournalState {
        guard DataFolder(folder.journal).exists else { return .absent }
        do throws(FileFailure) {
            let files = try JournalInspection(folder: folder.journal).segments()
            return .present(files: files.count, setAside: files.filter(\.isSetAside).map(\.file))
        } catch {
            return .failed(DataFolder.problem("The journal \(folder.journal) cannot be read", error.code))
        }
    }

    private func database(
        _ configuration: Configuration, _ folder: DataFolder, _ platform: PlatformFile?
    ) async -> MachineFacts.DatabaseState {
        let place = configuration.database.place
        if let served = platform?.database, served != place { return .elsewhere(served) }
        do {
            let served = try ServedDatabase.read(in: folder)
            try served?.mayOpen(configuration.database, from: folder)
            if case .sqlite(let path) = configuration.database, access(path, F_OK) != 0 {
                // The data folder itself is made by the first start.
                if !path.hasPrefix(folder.path + "/") { try OpenDatabase.checkFolder(of: path) }
                return .absent
            }
            guard try await OpenDatabase.isPrepared(configuration.database, clock: clock, logger: logger) else {
                return .unprepared
            }
            return try await answer(configuration, folder, served)
        } catch let failure as DatabaseFailure {
            return .failed(failure.problem)
        } catch {
            return .failed(
                error as? Problem
                    ?? Problem(
                        .storageUnavailable, "\(place) cannot be read as a database.",
                        hint: "Restore it from a backup, or choose another data folder with --data-dir."))
        }
    }

    private func answer(
        _ configuration: Configuration, _ folder: DataFolder, _ served: ServedDatabase?
    ) async throws -> MachineFacts.DatabaseState {
        let opened = try await OpenDatabase(
            configuration, clock: clock, random: SystemRandom(), logger: logger, prepares: false)
        do {
            do {
                // Makes the engine read the file, which `SELECT 1` would not.
                _ = try await opened.database.read(.system) { tx in
                    try tx.rows("SELECT number FROM migration LIMIT 1")
                }
            } catch DatabaseFailure.statement {
                // No such table: nothing was migrated yet, and the database answers.
            }
            try await served?.recognise(opened.database, from: folder)
        } catch {
            try await opened.close()
            throw error
        }
        try await opened.close()
        return .answers
    }
}
