import Database
import Foundation
package import Kernel
package import Logging

extension PostgresDatabase {
    /// Connects once, makes the roles that are missing, and starts no more than that: the pools connect when they are
    /// used.
    /// - Throws: `Problem(.storageUnavailable)` when the server cannot be reached; `.configurationInvalid` when it is
    ///   too old, or an administrator has to make the roles first: the hint holds the statements. The log says more.
    package static func open(
        _ location: PostgresLocation, clock: any Clock, random: any RandomSource, time: Time = .server,
        logger: Logger, limits: Limits = Limits()
    ) async throws -> PostgresDatabase {
        // Connecting blocks, and a caller's task must not.
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result { try prepare(location, clock: clock, logger: logger, limits: limits) })
            }
        }
        return PostgresDatabase(
            location, clock: clock, random: random, time: time, logger: logger, limits: limits)
    }

    private static func prepare(
        _ location: PostgresLocation, clock: any Clock, logger: Logger, limits: Limits
    ) throws {
        do {
            let connection = try PostgresConnection(
                location, settings: SessionKind.schema.settings(limits), connectTimeout: limits.connecting,
                statementLimit: limits.statement, statements: limits.statements, clock: clock)
            try RolePreparation(connection: connection, logger: logger).run()
        } catch let failure as SessionFailure {
            logger.error(
                "the database cannot be opened", metadata: ["database": "\(location)", "error": "\(failure.failure)"])
            throw problem(failure.failure, at: location)
        }
    }

    /// Whoever opens the database is its operator, and is told the server's own words. There is no password in them.
    private static func problem(_ failure: DatabaseFailure, at location: PostgresLocation) -> Problem {
        guard case .unavailable(let words) = failure else { return failure.problem }
        return Problem(
            .storageUnavailable, "PostgreSQL at \(location) cannot be opened: \(words)",
            hint: "Check that the server runs, and the user, password and database name in VOLERY_DATABASE.",
            retryAfter: 1)
    }
}
