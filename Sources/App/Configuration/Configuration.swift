package import Kernel

/// What a process was told, checked. Read once, at the start.
package struct Configuration: Sendable, Equatable {
    /// Absolute.
    package var dataDir: String
    package var database: DatabaseLocation
    package var roles: Set<Role>
    package var host: String
    /// 0 takes a free one.
    package var port: Int
    package var metricsHost: String
    package var metricsPort: Int
    /// Whether somebody chose the port of the metrics: then a taken port is an error, else another one is used.
    package var isMetricsPortChosen: Bool
    package var logLevel: LogLevel
    package var logFormat: LogFormat
    package var defaultModels: Bool
    package var limits: Limits
    package var journal: JournalSettings
    /// Connections to PostgreSQL in each of its pools.
    package var databaseConnections: Int
    package var masterKey: MasterKeySettings
    package var secretStore: SecretStoreChoice
    /// How long decisions of the router are kept.
    package var routeRetention = Duration.seconds(7 * 86_400)
    package var edge = EdgeSettings()
    package var money = MoneySettings()
    package var routing = RoutingSettings()

    package struct JournalSettings: Sendable, Equatable {
        package var sync: JournalSync
        /// Bytes of all its files.
        package var maximumBytes: Int
        /// Bytes that its disk keeps free.
        package var minimumFreeBytes: Int
        /// Between two looks at what can be settled and stored.
        package var interval: Duration
    }

    package struct Limits: Sendable, Equatable {
        /// Sizes in bytes.
        package var maxBody: Int
        package var maxHeldBodies: Int
        package var maxHeaders: Int
        package var maxConnections: Int
        package var maxConcurrentRequests: Int
        package var upstreamMaxResponse: Int
        package var defaultOutputCap: Int
        package var headerTimeout: Duration
        package var bodyTimeout: Duration
        package var idleTimeout: Duration
        package var requestTimeout: Duration
        package var upstreamConnectTimeout: Duration
        package var upstreamFirstByteTimeout: Duration
        package var upstreamIdleTimeout: Duration
        package var drainTimeout: Duration
        /// A PEM file; nil takes the system's authorities.
        package var upstreamCertificates: String?
    }
}

/// Where the master key comes from, as far as somebody said.
package struct MasterKeySettings: Sendable, Equatable {
    /// `master_key_file`, absolute.
    package var file: String?
    /// `VOLERY_MASTER_KEY`.
    package var text: Secret?
    /// What systemd put there for us, when it did.
    package var credential: String?
    /// `master_key_previous_file`, absolute.
    package var previousFile: String?
    /// `VOLERY_MASTER_KEY_PREVIOUS`.
    package var previousText: Secret?

    package init(
        file: String? = nil, text: Secret? = nil, credential: String? = nil, previousFile: String? = nil,
        previousText: Secret? = nil
    ) {
        self.file = file
        self.text = text
        self.credential = credential
        self.previousFile = previousFile
        self.previousText = previousText
    }
}

/// Where sealed secrets are kept.
package enum SecretStoreChoice: String, Sendable, CaseIterable {
    case auto, file, database
}

/// What a process does. All roles run in one process unless told otherwise.
package enum Role: String, Sendable, CaseIterable {
    /// Inference requests.
    case gateway
    /// Administration, health, documents.
    case api
    /// Runs the models of this machine.
    case agent
    /// Have nothing to do in this version; accepted, so that a command line of a later one works.
    case worker, controller

    package var hasWork: Bool {
        switch self {
        case .gateway, .api, .agent: true
        case .worker, .controller: false
        }
    }

    static func parse(_ text: String) -> Set<Role>? {
        if text == "all" { return Set(allCases) }
        var roles: Set<Role> = []
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let role = Role(rawValue: name.filter { $0 != " " }) else { return nil }
            roles.insert(role)
        }
        return roles
    }
}

/// Where rows are kept.
package enum DatabaseLocation: Sendable, Equatable {
    case sqlite(path: String)
    /// The whole URL: there may be a password in it.
    case postgres(Secret)

    /// Whether several nodes may work on it.
    package var isShared: Bool { if case .postgres = self { true } else { false } }

    /// - Parameter text: `sqlite://` and an absolute path, or `postgres://user:password@host:port/database?options`.
    package init?(_ text: String) {
        for scheme in ["postgres://", "postgresql://"] where text.hasPrefix(scheme) {
            let place = text.dropFirst(scheme.count).prefix { $0 != "?" }
            let parts = place.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[1].isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
                return nil
            }
            self = .postgres(Secret(text))
            return
        }
        let scheme = "sqlite://"
        guard text.hasPrefix(scheme) else { return nil }
        let path = text.dropFirst(scheme.count)
        guard path.hasPrefix("/"), path.count > 1, !path.hasSuffix("/"), !path.utf8.contains(0) else { return nil }
        self = .sqlite(path: String(path))
    }
}

/// When a record of the journal counts as kept.
package enum JournalSync: String, Sendable, CaseIterable {
    /// Once the system has it: a killed process loses nothing, a power cut at most a few milliseconds.
    case group
    /// Once the disk has it: answers wait for that.
    case strict
}

package enum LogLevel: String, Sendable, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
}

package enum LogFormat: String, Sendable, CaseIterable {
    case auto, json, text
}
