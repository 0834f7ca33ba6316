import Database
import Kernel
import Metrics

// One run of a body: its transaction from BEGIN to COMMIT, and what a failure in it means.
extension TransactionRunner {
    func attempt(_ body: any PendingBody) -> Outcome {
        guard let connection else { return .again("no connection") }
        guard body.engage(connection.cancelKey) else { return .failed(CancellationError()) }
        let outcome =
            switch body.access {
            case .statement: runStatement(body, on: connection)
            case .read, .write, .guarded: runTransaction(body, on: connection)
            }
        // A cancellation on its way would hit whatever comes next on this connection.
        if body.disengage() {
            pool.gauges.cancels.increment()
            disconnect()
        }
        if connection.isLost { disconnect() }
        return outcome
    }

    private func runStatement(_ body: any PendingBody, on connection: PostgresConnection) -> Outcome {
        let tx = PostgresTx(
            connection, for: body, now: clock.now, setting: body.scope.setting, gauges: pool.gauges)
        do {
            try body.run(tx)
            return .done
        } catch {
            switch tx.failure {
            case .lost(let words): return .failed(DatabaseFailure.commitUnknown(words))
            case .refused(let failure) where failure.isStalePlan: return prepareAnew(connection)
            case .refused, .cancelled: return .failed(body.isCancelled ? CancellationError() : error)
            case .unsendable, nil: return .failed(error)
            }
        }
    }

    private func runTransaction(_ body: any PendingBody, on connection: PostgresConnection) -> Outcome {
        let now: Instant
        do {
            try lockSchema(connection)
            now = try begin(body, on: connection)
        } catch {
            return outcome(of: error, nil, body, connection)
        }
        let tx = PostgresTx(connection, for: body, now: now, gauges: pool.gauges)
        do {
            try body.run(tx)
        } catch {
            if let failure = tx.failure { return outcome(of: failure, error, body, connection) }
            rollBack(connection)
            return .failed(error)
        }
        // Also where the body swallowed the failure: the server has undone everything.
        if let failure = tx.failure { return outcome(of: failure, nil, body, connection) }
        guard connection.isInTransaction else {
            return .failed(DatabaseFailure.statement("a body ended the transaction"))
        }
        guard body.beginCommit() else {
            rollBack(connection)
            return .failed(CancellationError())
        }
        return commit(body, on: connection)
    }

    private func commit(_ body: any PendingBody, on connection: PostgresConnection) -> Outcome {
        do {
            let result = try connection.command("COMMIT")
            unlockSchema(connection)
            if result?.tag == "COMMIT" { return .done }
            return .failed(DatabaseFailure.statement("COMMIT was answered with \(result?.tag ?? "nothing")"))
        } catch {
            body.beginAgain()
            let mayHaveTakenPlace: Bool
            switch error {
            case .lost: mayHaveTakenPlace = body.access.mayWrite
            case .refused(let refusal): mayHaveTakenPlace = body.access.mayWrite && refusal.isUnknownOutcome
            case .unsendable, .cancelled: mayHaveTakenPlace = false
            }
            if mayHaveTakenPlace { return .failed(DatabaseFailure.commitUnknown("\(error)")) }
            return outcome(of: error, nil, body, connection)
        }
    }

    /// What becomes of a body whose transaction failed before COMMIT, so that nothing took place.
    /// - Parameter thrown: what the body threw on account of the failure.
    private func outcome(
        of failure: SessionFailure, _ thrown: (any Error)?, _ body: any PendingBody,
        _ connection: PostgresConnection
    ) -> Outcome {
        if !connection.isLost { rollBack(connection) }
        if body.isCancelled { return .failed(CancellationError()) }
        switch failure {
        case .lost(let words): return .again(words)
        case .refused(let error) where error.isStalePlan: return prepareAnew(connection)
        case .refused(let error) where error.isConflict: return .again("\(error)")
        case .refused, .unsendable, .cancelled: return .failed(thrown ?? failure.failure)
        }
    }

    private func prepareAnew(_ connection: PostgresConnection) -> Outcome {
        // When this fails, the connection is lost, and the next one has prepared nothing.
        if (try? connection.forgetStatements()) == nil { disconnect() }
        return .again("a prepared statement no longer fits")
    }

    private func begin(_ body: any PendingBody, on connection: PostgresConnection) throws(SessionFailure) -> Instant {
        var sql = body.access.beginning
        // The text of an identifier is letters, digits and `_`, by its type.
        if let setting = body.scope.setting { sql += "; SET LOCAL \(setting.name) = '\(setting.value)'" }
        // Also where a migration's own statements may take an hour: a server that stands still is noticed here.
        let result = try connection.command(
            sql + "; SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", within: limits.statement)
        switch time {
        case .clock: return clock.now
        case .server:
            guard let now = result?.scalar.flatMap({ Int64($0) }) else { throw .lost("the server told no time") }
            return Instant(microseconds: now)
        }
    }

    private func rollBack(_ connection: PostgresConnection) {
        // When this fails, the connection is lost, and the server rolls back by itself.
        if (try? connection.command("ROLLBACK")) == nil { return disconnect() }
        unlockSchema(connection)
    }

    // MARK: - Migrations

    /// Taken before BEGIN, since a transaction that waits inside sees the tables as they were before it waited.
    private func lockSchema(_ connection: PostgresConnection) throws(SessionFailure) {
        guard case .schema = pool.session else { return }
        try connection.command(
            """
            SET lock_timeout = \(limits.migrationWait.wholeMilliseconds);
            SELECT pg_advisory_lock(\(PostgresDatabase.schemaLock));
            SET lock_timeout = \(limits.lockWait.wholeMilliseconds)
            """)
    }

    private func unlockSchema(_ connection: PostgresConnection) {
        guard case .schema = pool.session, !connection.isLost else { return }
        if (try? connection.command("SELECT pg_advisory_unlock(\(PostgresDatabase.schemaLock))")) == nil {
            disconnect()
        }
    }
}

/// What tells row-level security on whose behalf a transaction runs.
struct ScopeSetting: Sendable {
    let name: String
    let value: String
}

extension Scope {
    fileprivate var setting: ScopeSetting? {
        switch self {
        case .workspace(let id): ScopeSetting(name: "app.workspace_id", value: id.description)
        case .tenant(let id): ScopeSetting(name: "app.tenant_id", value: id.description)
        case .system, .schema: nil
        }
    }
}

extension Access {
    fileprivate var beginning: String {
        switch self {
        case .read: "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY"
        case .write, .statement: "BEGIN ISOLATION LEVEL SERIALIZABLE"
        case .guarded: "BEGIN ISOLATION LEVEL READ COMMITTED"
        }
    }

    fileprivate var mayWrite: Bool {
        switch self {
        case .write, .guarded, .statement: true
        case .read: false
        }
    }
}
