import Database
import Kernel
import Logging
import PostgresEngine
import SQLiteEngine

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The engine that the settings name, opened, and the wake-ups that go with it.
struct OpenDatabase: Sendable {
    let database: any Database
    /// Reach every node of the database.
    let wakeUps: any WakeUps
    /// Lets running work finish.
    let close: @Sendable () async throws -> Void

    /// - Parameter prepares: whether the engine may make what it needs in the database.
    /// - Throws: a `Problem` that an operator can act on.
    init(
        _ configuration: Configuration, clock: any Clock, random: any RandomSource, logger: Logger,
        prepares: Bool = true
    ) async throws {
        switch configuration.database {
        case .sqlite(let path):
            try Self.checkFolder(of: path)
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
                location, clock: clock, random: random, logger: logger, limits: limits, prepares: prepares)
            let wakeUps = PostgresWakeUps(location, clock: clock, random: random, logger: logger, limits: limits)
            database = postgres
            self.wakeUps = wakeUps
            close = {
                wakeUps.close()
                await postgres.close()
            }
        }
    }

    /// Whether the engine finds all that it would make there at the first start. Changes nothing.
    /// - Throws: a `Problem` that an operator can act on.
    static func isPrepared(_ location: DatabaseLocation, clock: any Clock, logger: Logger) async throws -> Bool {
        switch location {
        case .sqlite: true
        case .postgres(let url):
            try await PostgresDatabase.isPrepared(try PostgresLocation(url), clock: clock, logger: logger)
        }
    }

    /// - Throws: `Problem(.configurationInvalid)` where the file could not even be made.
    static func checkFolder(of path: String) throws(Problem) {
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        guard !folder.isEmpty, access(folder, F_OK) != 0, errno == ENOENT || errno == ENOTDIR else { return }
        throw Problem(
            .configurationInvalid, "The folder of \(path) does not exist.", parameter: "database",
            hint: "Make the folder, or set VOLERY_DATABASE to another place.")
    }
}

extension DatabaseLocation {
    /// Where it is, for people; without the password.
    var place: String {
        switch self {
        case .sqlite(let path): path
        case .postgres(let url):
            (try? PostgresLocation(url)).map { "PostgreSQL at \($0)" } ?? "PostgreSQL at a URL that cannot be read"
        }
    }
}

extension Topic {
    /// The stored deployments changed.
    static var registry: Topic { Topic("registry") }
}
