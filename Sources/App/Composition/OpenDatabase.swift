import Database
import Kernel
import Logging
import PostgresEngine
import SQLiteEngine

/// The engine that the settings name, opened, and the wake-ups that go with it.
struct OpenDatabase: Sendable {
    let database: any Database
    /// Reach every node of the database.
    let wakeUps: any WakeUps
    /// Lets running work finish.
    let close: @Sendable () async throws -> Void

    /// - Throws: a `Problem` that an operator can act on.
    init(
        _ configuration: Configuration, clock: any Clock, random: any RandomSource, logger: Logger
    ) async throws {
        switch configuration.database {
        case .sqlite(let path):
            let sqlite = try SQLiteDatabase.open(path: path, clock: clock, logger: logger)
            let wakeUps = LocalWakeUps()
            database = sqlite
            self.wakeUps = wakeUps
            close = {
                wakeUps.close()
                try await sqlite.close()
            }
        case .postgres(let url):
            let location = try PostgresLocation(url)
            var limits = PostgresDatabase.Limits()
            limits.connections = configuration.databaseConnections
            let postgres = try await PostgresDatabase.open(
                location, clock: clock, random: random, logger: logger, limits: limits)
            let wakeUps = PostgresWakeUps(location, clock: clock, random: random, logger: logger, limits: limits)
            database = postgres
            self.wakeUps = wakeUps
            close = {
                wakeUps.close()
                await postgres.close()
            }
        }
    }
}

extension Topic {
    /// The stored deployments changed.
    static var registry: Topic { Topic("registry") }
}
