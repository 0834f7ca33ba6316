/// Every setting there is, once: the reader, `--check-config` and docs/configuration.md all come from here.
package enum Settings {
    static let dataDir = Setting.path(
        "data_dir", "~/.volery", "Where everything is kept: database, keys, models, logs of usage.")
    static let database = Setting<DatabaseLocation>(
        "database", fallback: nil,
        allowed: "sqlite:///absolute/path or postgres://user:password@host:port/database",
        help: "Where rows are kept; volery.db in the data folder when not set.", parse: DatabaseLocation.init)
    static let databaseConnections = Setting.integer(
        "database_connections", 8, in: 2...500,
        "Connections to PostgreSQL in each of the two pools: for the workspaces' own work, and for the system's.")
    static let journalSync = Setting<JournalSync>.choice(
        "journal_sync", .group,
        "group: a record counts once the system has it, and is synced within 5 ms. strict: answers wait for the disk.")
    static let journalMaxBytes = Setting.bytes(
        "journal_max_bytes", "4GiB", in: (1 << 20)...(1 << 40),
        "The most that the journal may keep while the database is away; beyond it new work is refused.")
    static let journalMinFreeBytes = Setting.bytes(
        "journal_min_free_bytes", "256MiB", in: 0...(1 << 40),
        "Space that must stay free on the journal's disk; below it new work is refused.")
    static let journalInterval = Setting.duration(
        "journal_interval", "200ms", in: .milliseconds(10)...Duration.seconds(60),
        "How often what has ended is settled and stored; under load it is gathered for up to a second. "
            + "Longer makes fewer, larger transactions, and later alerts.")
    static let routeRetention = Setting.duration(
        "route_retention", "168h", in: .seconds(60)...Duration.seconds(366 * 86_400),
        "How long it can be asked why a request went where it went: its decision is kept so long.")
    static let roles = Setting<Set<Role>>(
        "roles", fallback: "all", allowed: "all, or a list of \(Role.allCases.map(\.rawValue).joined(separator: ", "))",
        help: "What this process does.", parse: Role.parse)
    static let host = Setting.host("host", "127.0.0.1", "The address that the API listens on.")
    static let port = Setting.integer("port", 8080, in: 0...65535, "The port of the API; 0 takes a free one.")
    static let metricsHost = Setting.host("metrics_host", "127.0.0.1", "The address that /metrics listens on.")
    static let metricsPort = Setting.integer(
        "metrics_port", 9464, in: 0...65535,
        "The port of /metrics; 0 takes a free one. The default gives way to a free one when it is taken.")
    static let logLevel = Setting<LogLevel>.choice("log_level", .info, "What is logged: this and everything above it.")
    static let logFormat = Setting<LogFormat>.choice(
        "log_format", .auto,
        "How logs are written to standard error; auto writes text on a terminal and JSON elsewhere.")
    static let defaultModels = Setting.flag(
        "default_models", true, "Whether the default models are fetched when missing, and started.")

    static let maxBodyBytes = Setting.bytes(
        "max_body_bytes", "20MiB", in: 1024...(1 << 30), "The largest request body.")
    static let maxHeldBodyBytes = Setting.bytes(
        "max_held_body_bytes", "512MiB", in: (1 << 20)...(64 << 30), "All request bodies held at one time.")
    static let maxHeaderBytes = Setting.bytes(
        "max_header_bytes", "64KiB", in: 1024...(1 << 20), "All header fields of a request.")
    static let maxConnections = Setting.integer(
        "max_connections", 10_000, in: 1...1_000_000, "Client connections at one time.")
    static let maxConcurrentRequests = Setting.integer(
        "max_concurrent_requests", 1024, in: 1...1_000_000, "Inference requests in work at one time.")
    static let upstreamMaxResponseBytes = Setting.bytes(
        "upstream_max_response_bytes", "64MiB", in: 1024...(4 << 30),
        "The largest answer of a runtime that is not a stream.")
    static let defaultOutputCap = Setting.integer(
        "default_output_cap", 4096, in: 1...10_000_000,
        "Tokens of an answer whose caller names no cap, where a hard budget or prepaid credit needs an upper bound.")

    static let headerTimeout = Setting.duration(
        "header_timeout", "10s", in: shortest...longest, "From a connection's start to a complete request head.")
    static let bodyTimeout = Setting.duration(
        "body_timeout", "60s", in: shortest...longest, "From a request's head to the end of its body.")
    static let idleTimeout = Setting.duration(
        "idle_timeout", "75s", in: shortest...longest, "Between an answer and the next request on a connection.")
    static let requestTimeout = Setting.duration(
        "request_timeout", "10m", in: shortest...longest, "From a request's head to the end of its answer.")
    static let upstreamConnectTimeout = Setting.duration(
        "upstream_connect_timeout", "5s", in: shortest...longest, "To open a connection to a runtime or provider.")
    static let upstreamFirstByteTimeout = Setting.duration(
        "upstream_first_byte_timeout", "2m", in: shortest...longest,
        "From a request sent upstream to its answer's first byte.")
    static let upstreamIdleTimeout = Setting.duration(
        "upstream_idle_timeout", "60s", in: shortest...longest, "Between two reads of an upstream's answer.")
    static let drainTimeout = Setting.duration(
        "drain_timeout", "30s", in: .zero...longest, "How long running answers may take to end when the platform stops."
    )
    static let upstreamCertificates = Setting.path(
        "upstream_ca_file", nil,
        "A PEM file of the authorities that https upstreams are checked against; the system's when not set.")

    static let masterKeyFile = Setting.path(
        "master_key_file", nil,
        "A file with the master key: 32 bytes in base64 or hexadecimal. Without it VOLERY_MASTER_KEY, then systemd's "
            + "credential `master-key`, then `master-key` in the data folder, which the first start makes.")
    static let masterKeyPreviousFile = Setting.path(
        "master_key_previous_file", nil,
        "A file with the master key before this one, until `volery secrets reseal` ran; or VOLERY_MASTER_KEY_PREVIOUS."
    )
    static let secretStore = Setting<SecretStoreChoice>.choice(
        "secret_store", .auto,
        "Where sealed secrets are kept: file (in the data folder), database (for several nodes), or auto: file with "
            + "SQLite, database with PostgreSQL.")

    private static let shortest = Duration.milliseconds(10)
    private static let longest = Duration.seconds(24 * 3600)

    package static let table: [SettingRow] =
        [
            dataDir.row, database.row, databaseConnections.row, journalSync.row, journalMaxBytes.row,
            journalMinFreeBytes.row, journalInterval.row, routeRetention.row, roles.row, host.row, port.row,
            metricsHost.row, metricsPort.row, logLevel.row, logFormat.row, defaultModels.row, maxBodyBytes.row,
            maxHeldBodyBytes.row, maxHeaderBytes.row,
            maxConnections.row, maxConcurrentRequests.row, upstreamMaxResponseBytes.row, defaultOutputCap.row,
            headerTimeout.row,
            bodyTimeout.row, idleTimeout.row, requestTimeout.row, upstreamConnectTimeout.row,
            upstreamFirstByteTimeout.row, upstreamIdleTimeout.row, drainTimeout.row, upstreamCertificates.row,
            masterKeyFile.row, masterKeyPreviousFile.row, secretStore.row, trustedProxies.row,
            failedCredentialLimit.row,
            keyMaxStaleness.row, corsOrigins.row, tlsCertificateFile.row, tlsKeyFile.row,
        ] + moneyRows + routingRows

    /// The table of docs/configuration.md.
    package static var markdown: String {
        let rows = table.map { row in
            let fallback = row.fallback.map { "`\($0)`" } ?? ""
            return "| `\(row.key)` | `\(row.variable)` | \(fallback) | \(row.allowed) | \(row.help) |"
        }
        return "| key | environment | default | allowed | what it is |\n|---|---|---|---|---|\n"
            + rows.joined(separator: "\n") + "\n"
    }
}
