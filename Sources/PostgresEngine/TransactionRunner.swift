import Database
import Foundation
import Kernel
import Logging
import Metrics

/// Runs bodies on one connection, one after the other, and again after a conflict. Belongs to one thread.
final class TransactionRunner {
    enum Outcome {
        case done
        case failed(any Error)
        /// Nothing took place: run it again.
        case again(String)
    }

    let pool: ConnectionPool
    private let location: PostgresLocation
    let time: PostgresDatabase.Time
    private let random: any RandomSource
    private let turnstile: Turnstile
    private let logger: Logger
    var connection: PostgresConnection?

    var clock: any Clock { pool.clock }
    var limits: PostgresDatabase.Limits { pool.limits }

    init(
        _ pool: ConnectionPool, location: PostgresLocation, time: PostgresDatabase.Time, random: any RandomSource,
        turnstile: Turnstile, logger: Logger
    ) {
        self.pool = pool
        self.location = location
        self.time = time
        self.random = random
        self.turnstile = turnstile
        self.logger = logger
    }

    func disconnect() {
        if connection != nil { pool.gauges.connections.record(pool.connected(-1)) }
        connection = nil
    }

    /// Answers the body's caller, whatever happens.
    func serve(_ body: any PendingBody) {
        guard body.isWanted else { return }
        if pool.isClosing { return body.finish(DatabaseFailure.closed) }
        if clock.uptime >= body.patienceEnds {
            pool.gauges.expired.increment()
            return body.finish(pool.trouble.map { DatabaseFailure.unavailable($0) } ?? .overloaded)
        }
        pool.gauges.running.record(pool.running(1))
        defer { pool.gauges.running.record(pool.running(-1)) }
        if let failure = connect(for: body) { return body.finish(failure) }
        guard body.begin() else { return }
        runToTheEnd(body)
    }

    private func runToTheEnd(_ body: any PendingBody) {
        let gives = clock.uptime + limits.retrying
        var holdsTurn = false
        defer { if holdsTurn { turnstile.leave() } }
        var attempts = 0
        while true {
            attempts += 1
            switch attempt(body) {
            case .done: return body.finish(nil)
            case .failed(let error): return body.finish(noted(error))
            case .again(let reason):
                pool.gauges.retries.increment()
                if body.isCancelled { return body.finish(CancellationError()) }
                guard attempts < limits.attempts, clock.uptime < gives, !pool.isClosing else {
                    let words = "given up after \(attempts) attempts: \(reason)"
                    return body.finish(noted(DatabaseFailure.unavailable(words)))
                }
                // Under contention the oldest losers go one by one, or some of them would lose for ever.
                if attempts >= limits.attemptsBeforeTurn, !holdsTurn {
                    holdsTurn = turnstile.enter(within: gives - clock.uptime)
                }
                pause(atMost: 1000 << UInt64(min(attempts - 1, 6)))
                if let failure = connect(for: body) { return body.finish(noted(failure)) }
            }
        }
    }

    private func noted(_ error: any Error) -> any Error {
        if let failure = error as? DatabaseFailure, failure.isAlarming {
            logger.error("the database failed", metadata: ["pool": "\(pool.session.name)", "error": "\(failure)"])
        }
        return error
    }

    // MARK: - Connecting

    /// - Returns: why there is no connection, once the body has waited for long enough.
    private func connect(for body: any PendingBody) -> (any Error)? {
        if let connection, isUsable(connection) { return nil }
        disconnect()
        var tries = 0
        while true {
            do {
                connection = try PostgresConnection(
                    location, settings: pool.session.settings(limits), connectTimeout: limits.connecting,
                    statementLimit: pool.session.statementLimit(limits), statements: limits.statements, clock: clock)
                pool.note(trouble: nil)
                pool.gauges.connects.increment()
                pool.gauges.connections.record(pool.connected(1))
                return nil
            } catch {
                tries += 1
                pool.gauges.failedConnects.increment()
                noteTrouble(error.failure)
                if body.isCancelled || !body.isWanted { return CancellationError() }
                if clock.uptime >= body.patienceEnds || pool.isClosed { return error.failure }
                pause(atMost: 20_000 << UInt64(min(tries - 1, 5)))
            }
        }
    }

    private func noteTrouble(_ failure: DatabaseFailure) {
        let words: String
        switch failure {
        case .unavailable(let reason): words = reason
        default: words = "\(failure)"
        }
        if pool.trouble == nil {
            logger.error(
                "the database cannot be reached",
                metadata: ["pool": "\(pool.session.name)", "database": "\(location)", "error": "\(words)"])
        }
        pool.note(trouble: words)
    }

    /// A connection that nobody used for long may have been dropped by something in between that told neither side.
    private func isUsable(_ connection: PostgresConnection) -> Bool {
        guard connection.stands() else { return false }
        guard clock.uptime - connection.lastAnswer > limits.idleBeforeCheck else { return true }
        return (try? connection.command("", within: .seconds(1))) != nil
    }

    /// Between half and all of the time, so that those who met do not meet again.
    private func pause(atMost microseconds: UInt64) {
        let half = microseconds / 2
        Thread.sleep(forTimeInterval: Double(half + random.next(below: half)) / 1_000_000)
    }
}

extension DatabaseFailure {
    /// Whether an operator should look, also when no caller complains.
    fileprivate var isAlarming: Bool {
        switch self {
        case .unavailable, .full, .corrupt, .commitUnknown, .statement: true
        case .constraint, .overloaded, .closed: false
        }
    }
}
