import Database
import Foundation
package import Kernel
package import Logging

extension PostgresDatabase {
    /// Connects once, makes the roles that are missing, and starts no more than that: the pools connect when they are
    /// used.
    /// - Parameter prepares: false connects to nothing yet and makes nothing; `isPrepared` has said that all is there.
    /// - Throws: `Problem(.storageUnavailable)` when the server cannot be reached, in the server's own words;
    ///   `.configurationInvalid` when it is too old, or an administrator has to make the roles first: the hint holds
    ///   the statements.
    package static func open(
        _ location: PostgresLocation, clock: any Clock, random: any RandomSource, time: Time = .server,
        logger: Logger, limits: Limits = Limits(), prepares: Bool = true
    ) async throws -> PostgresDatabase {
        if prepares {
            try await preparing(location, clock: clock, logger: logger, limits: limits) { try $0.run() }
        }
        return PostgresDatabase(
            location, clock: clock, random: random, time: time, logger: logger, limits: limits)
    }

    /// Whether the roles and rights are there that `open` would make. Changes nothing.
    /// - Throws: as `open`.
    package static func isPrepared(
        _ location: PostgresLocation, clock: any Clock, logger: Logger, limits: Limits = Limits()
    ) async throws -> Bool {
        try await preparing(location, clock: clock, logger: logger, limits: limits) { try $0.isDone() }
    }

    /// Connecting blocks, and a caller's task must not.
    private static func preparing<Value: Sendable>(
        _ location: PostgresLocation, clock: any Clock, logger: Logger, limits: Limits,
        _ body: @escaping @Sendable (RolePreparation) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        do {
                            let connection = try PostgresConnection(
                                location, settings: SessionKind.schema.settings(limits),
                                connectTimeout: limits.connecting, statementLimit: limits.statement,
                                statements: limits.statements, clock: clock)
                            return try body(RolePreparation(connection: connection, logger: logger))
                        } catch let failure as SessionFailure {
                            throw problem(failure.failure, at: location, logger: logger)
                        }
                    })
            }
        }
    }

    /// Whoever opens the database is its operator, and is told the server's own words. There is no password in them.
    private static func problem(_ failure: DatabaseFailure, at location: PostgresLocation, logger: Logger) -> Problem {
        guard case .unavailable(let words) = failure else {
            logger.error("the database cannot be prepared", metadata: ["error": "\(failure)"])
            return failure.problem
        }
        return Problem(
            .storageUnavailable, "PostgreSQL at \(location) cannot be opened: \(words)",
            hint: "Check that the server runs, and the user, password and database name in VOLERY_DATABASE.",
            retryAfter: 1)
    }
}
