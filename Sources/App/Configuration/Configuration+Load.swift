import FoundationEssentials
package import Kernel
import PostgresEngine

/// What reading the settings came to: all that is wrong, and all that is in force.
package struct ConfigurationReport: Sendable {
    package let configuration: Configuration
    package let faults: [SettingFault]
    /// Worth a word, but no reason to stop.
    package let warnings: [String]
    package let effective: [EffectiveSetting]
    /// The settings file that was read; nil when there was none.
    package let file: String?

    /// - Throws: `CONFIGURATION_INVALID`, naming every fault.
    package func checked() throws(Problem) -> Configuration {
        guard let first = faults.first else { return configuration }
        throw Problem(
            .configurationInvalid, faults.map { "\($0)." }.joined(separator: "\n"), parameter: first.key)
    }
}

extension Configuration {
    /// The files and the place that relative paths refer to. A test gives its own.
    package struct Surroundings: Sendable {
        package let workingDirectory: String
        /// The file's text; nil when there is none at the path.
        package let read: @Sendable (String) throws -> String?

        package init(workingDirectory: String, read: @escaping @Sendable (String) throws -> String?) {
            self.workingDirectory = workingDirectory
            self.read = read
        }

        package static func machine() -> Surroundings {
            Surroundings(workingDirectory: FileManager.default.currentDirectoryPath) { path in
                guard FileManager.default.fileExists(atPath: path) else { return nil }
                return String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
            }
        }
    }

    /// Reads every setting from its layers.
    /// - Parameters:
    ///   - flags: by setting key, as given on the command line; `config` names the file.
    ///   - environment: of the process.
    package static func load(
        flags: [String: String], environment: [String: String], surroundings: Surroundings = .machine()
    ) -> ConfigurationReport {
        let home = home(environment, surroundings)
        func absolute(_ path: String) -> String {
            let expanded = path == "~" ? home : path.hasPrefix("~/") ? home + path.dropFirst(1) : path
            return expanded.hasPrefix("/") ? expanded : surroundings.workingDirectory + "/" + expanded
        }
        let file = findFile(flags: flags, environment: environment, surroundings: surroundings, absolute: absolute)
        var reader = SettingsReader(flags: flags, environment: environment, file: file)
        var configuration = read(&reader, absolute: absolute)
        configuration.masterKey = readMasterKey(&reader, environment: environment, absolute: absolute)
        configuration.routeRetention = reader.value(of: Settings.routeRetention, or: configuration.routeRetention)
        configuration.edge = readEdge(&reader, dataDir: configuration.dataDir, absolute: absolute)
        configuration.money = readMoney(&reader)
        configuration.routing = readRouting(&reader)
        checkDatabase(configuration.database, &reader)
        return ConfigurationReport(
            configuration: configuration, faults: reader.faults, warnings: strays(in: environment),
            effective: reader.effective, file: file.path.isEmpty ? nil : file.path)
    }

    /// Where everything is kept when nobody says another place.
    package static func usualDataDir(
        environment: [String: String], surroundings: Surroundings = .machine()
    ) -> String {
        home(environment, surroundings) + "/.volery"
    }

    private static func home(_ environment: [String: String], _ surroundings: Surroundings) -> String {
        environment["HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? surroundings.workingDirectory
    }

    /// What only the engine can tell of its URL, so that it is told with everything else.
    private static func checkDatabase(_ location: DatabaseLocation, _ reader: inout SettingsReader) {
        guard case .postgres(let url) = location else { return }
        do {
            _ = try PostgresLocation(url)
        } catch {
            // A fault ends with a full stop of its own.
            let words = error.message + " " + error.hint
            reader.refuse(Settings.database, String(words.reversed().drop { " .".contains($0) }.reversed()))
        }
    }

    private static func findFile(
        flags: [String: String], environment: [String: String], surroundings: Surroundings,
        absolute: (String) -> String
    ) -> SettingsFile {
        let chosen = flags["config"] ?? environment["VOLERY_CONFIG"]
        let bare = SettingsReader(flags: flags, environment: environment, file: SettingsFile())
        let folder = bare.text(of: Settings.dataDir).map { absolute($0.text) } ?? absolute("~/.volery")
        let path = chosen.map(absolute) ?? folder + "/volery.yaml"
        // A file that is found through the data folder cannot move that folder.
        let known = chosen == nil ? Settings.table.filter { $0.key != Settings.dataDir.key } : Settings.table
        do {
            guard let yaml = try surroundings.read(path) else {
                return chosen == nil ? SettingsFile() : SettingsFile(unreadable: path, "does not exist")
            }
            return SettingsFile(path: path, yaml: yaml, known: known)
        } catch {
            return SettingsFile(unreadable: path, "cannot be read")
        }
    }

    private static func read(_ reader: inout SettingsReader, absolute: (String) -> String) -> Configuration {
        let dataDir = absolute(reader.value(of: Settings.dataDir, or: "~/.volery"))
        let metricsOrigin = reader.text(of: Settings.metricsPort)?.origin
        return Configuration(
            dataDir: dataDir,
            database: reader.value(of: Settings.database, or: .sqlite(path: dataDir + "/volery.db")),
            roles: reader.value(of: Settings.roles, or: Set(Role.allCases)),
            host: reader.value(of: Settings.host, or: "127.0.0.1"),
            port: reader.value(of: Settings.port, or: 8080),
            metricsHost: reader.value(of: Settings.metricsHost, or: "127.0.0.1"),
            metricsPort: reader.value(of: Settings.metricsPort, or: 9464),
            isMetricsPortChosen: metricsOrigin != .fallback,
            logLevel: reader.value(of: Settings.logLevel, or: .info),
            logFormat: reader.value(of: Settings.logFormat, or: .auto),
            defaultModels: reader.value(of: Settings.defaultModels, or: true),
            limits: readLimits(&reader, absolute: absolute),
            journal: JournalSettings(
                sync: reader.value(of: Settings.journalSync, or: .group),
                maximumBytes: reader.value(of: Settings.journalMaxBytes, or: 0),
                minimumFreeBytes: reader.value(of: Settings.journalMinFreeBytes, or: 0),
                interval: reader.value(of: Settings.journalInterval, or: .milliseconds(200))),
            databaseConnections: reader.value(of: Settings.databaseConnections, or: 8),
            masterKey: MasterKeySettings(),
            secretStore: reader.value(of: Settings.secretStore, or: .auto))
    }

    private static func readLimits(_ reader: inout SettingsReader, absolute: (String) -> String) -> Limits {
        Limits(
            maxBody: reader.value(of: Settings.maxBodyBytes, or: 0),
            maxHeldBodies: reader.value(of: Settings.maxHeldBodyBytes, or: 0),
            maxHeaders: reader.value(of: Settings.maxHeaderBytes, or: 0),
            maxConnections: reader.value(of: Settings.maxConnections, or: 0),
            maxConcurrentRequests: reader.value(of: Settings.maxConcurrentRequests, or: 0),
            upstreamMaxResponse: reader.value(of: Settings.upstreamMaxResponseBytes, or: 0),
            defaultOutputCap: reader.value(of: Settings.defaultOutputCap, or: 0),
            headerTimeout: reader.value(of: Settings.headerTimeout, or: .zero),
            bodyTimeout: reader.value(of: Settings.bodyTimeout, or: .zero),
            idleTimeout: reader.value(of: Settings.idleTimeout, or: .zero),
            requestTimeout: reader.value(of: Settings.requestTimeout, or: .zero),
            upstreamConnectTimeout: reader.value(of: Settings.upstreamConnectTimeout, or: .zero),
            upstreamFirstByteTimeout: reader.value(of: Settings.upstreamFirstByteTimeout, or: .zero),
            upstreamIdleTimeout: reader.value(of: Settings.upstreamIdleTimeout, or: .zero),
            drainTimeout: reader.value(of: Settings.drainTimeout, or: .zero),
            upstreamCertificates: reader.text(of: Settings.upstreamCertificates) == nil
                ? nil : absolute(reader.value(of: Settings.upstreamCertificates, or: "")))
    }

    /// Variables that look like settings and are none. Other tools of the project read some of that prefix too, so only
    /// what is close to a setting is worth a word.
    private static func strays(in environment: [String: String]) -> [String] {
        let known = Settings.table.map(\.variable)
        let others = ["VOLERY_CONFIG"] + MasterKeySettings.variables
        return environment.keys.sorted().compactMap { name in
            guard name.hasPrefix("VOLERY_"), !known.contains(name), !others.contains(name) else { return nil }
            let key = String(name.dropFirst("VOLERY_".count))
            guard let meant = Suggestion.closest(to: key, among: Settings.table.map { $0.key.uppercased() }) else {
                return nil
            }
            return "\(name) is not a setting; did you mean VOLERY_\(meant)?"
        }
    }
}

extension SettingsFile {
    /// A file that was asked for and is not there.
    init(unreadable path: String, _ complaint: String) {
        self.init(path: path, yaml: "", known: [])
        refuse(complaint)
    }
}
