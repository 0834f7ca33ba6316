import Database
import Kernel
import Logging
import PostgresEngine
import SQLiteEngine

/// The engine that the settings name, opened.
struct OpenDatabase: Sendable {
    let database: any Database
    /// Lets running work finish.
    let close: @Sendable () async throws -> Void

    /// - Throws: a `Problem` that an operator can act on.
    init(
        _ configuration: Configuration, clock: any Clock, random: any RandomSource, logger: Logger
    ) async throws {
        switch configuration.database {
        case .sqlite(let path):
            let sqlite = try SQLiteDatabase.open(path: path, clock: clock, logger: logger)
            database = sqlite
            close = { try await sqlite.close() }
        case .postgres(let url):
            var limits = PostgresDatabase.Limits()
            limits.connections = configuration.databaseConnections
            let postgres = try await PostgresDatabase.open(
                try PostgresLocation(url), clock: clock, random: random, logger: logger, limits: limits)
            database = postgres
            close = { await postgres.close() }
        }
    }
}
