import Kernel

/// What the connections of a pool are for, and so who they are to the server.
enum SessionKind: Sendable {
    /// For one workspace or one tenant at a time; row-level security holds it to that one.
    case app
    /// For all workspaces.
    case system
    /// The role that logs in, which owns the tables.
    case schema

    var name: String {
        switch self {
        case .app: "app"
        case .system: "system"
        case .schema: "schema"
        }
    }

    var staysConnected: Bool {
        switch self {
        case .app, .system: true
        case .schema: false
        }
    }

    /// What a new connection is told.
    func settings(_ limits: PostgresDatabase.Limits) -> String {
        var settings = [
            "SET lock_timeout = \(limits.lockWait.wholeMilliseconds)",
            "SET statement_timeout = \(statementLimit(limits).wholeMilliseconds)",
            // A process that stands still must not hold locks for ever.
            "SET idle_in_transaction_session_timeout = 60000",
            "SET bytea_output = 'hex'",
            "SET standard_conforming_strings = on",
            "SET client_min_messages = warning",
        ]
        switch self {
        case .app: settings.append("SET ROLE volery_app")
        case .system: settings.append("SET ROLE volery_system")
        case .schema: break
        }
        return settings.joined(separator: "; ")
    }

    func statementLimit(_ limits: PostgresDatabase.Limits) -> Duration {
        switch self {
        case .app, .system: limits.statement
        case .schema: limits.migration
        }
    }
}

extension Duration {
    var wholeMilliseconds: Int64 { max(1, microseconds / 1000) }
}
