import Database
import GRDB
import Kernel
import Logging
import Metrics

/// Runs batches of waiting bodies on the writer's connection: one transaction and one sync for many callers.
///
/// - Each body has its savepoint: one that fails is undone alone.
/// - Nobody is answered before COMMIT, also not with a failure: it may come from what a neighbour did, which never took
///   place when the transaction breaks.
/// - A transaction that breaks through one of them, or is refused as a whole, harms the others as little as possible:
///   they run again, first together, then each alone.
/// - No batch runs in a caller's task, so that a cancelled caller cannot undo the others.
struct GroupCommit: Sendable {
    let queue: WriteQueue
    let clock: any Clock
    let dialect: Dialect
    let watch: StatementWatch
    let gauges: EngineMetrics
    let logger: Logger
    let doubt = CommitDoubt()

    /// Who has no answer after a transaction.
    private struct Unsettled {
        /// May share the next one.
        var together: [any PendingBody] = []
        /// Could harm others again.
        var alone: [any PendingBody] = []
    }

    /// Runs batches until nobody waits.
    func drain(_ db: Connection) {
        watch.guarding(db) {
            watch.end()
            while true {
                let batch = queue.nextBatch()
                if batch.isEmpty { break }
                gauges.queueDepth.record(queue.depth)
                settle(batch.filter { $0.begin() }, on: db)
            }
        }
        gauges.queueDepth.record(0)
    }

    /// Answers all of them, after at most three transactions for each.
    private func settle(_ bodies: [any PendingBody], on db: Connection) {
        let first = runTransaction(bodies, on: db)
        guard !first.together.isEmpty || !first.alone.isEmpty else { return }
        let second = runTransaction(first.together, on: db)
        let alone = second.together + second.alone + first.alone
        gauges.repeats.increment(by: first.together.count + alone.count)
        // One that is alone is always answered.
        for body in alone { _ = runTransaction([body], on: db) }
    }

    /// Runs the bodies in one transaction and answers them, except those that deserve another.
    private func runTransaction(_ bodies: [any PendingBody], on db: Connection) -> Unsettled {
        guard !bodies.isEmpty else { return Unsettled() }
        do {
            rollBack(db)
            try doubt.resolve(db)
            try db.step("BEGIN IMMEDIATE")
        } catch {
            answer(bodies, with: translated(error, during: "BEGIN"))
            return Unsettled()
        }
        var done: [any PendingBody] = []
        var failed: [(body: any PendingBody, error: any Error)] = []
        for (index, body) in bodies.enumerated() {
            let error = runBody(body, on: db)
            // SQLite undoes the whole transaction on some errors: disk full, I/O, interrupt, out of memory.
            guard db.isInsideTransaction else {
                let error = error ?? DatabaseFailure.statement("a body ended the transaction")
                return broken(bodies, by: index, error)
            }
            if let error { failed.append((body, error)) } else { done.append(body) }
        }
        if done.isEmpty {
            rollBack(db)
        } else if let failure = commit(done.count, on: db) {
            return refused(bodies, failure, on: db)
        }
        for body in done { body.finish(nil) }
        for (body, error) in failed { body.finish(error) }
        return Unsettled()
    }

    private func broken(_ bodies: [any PendingBody], by index: Int, _ error: any Error) -> Unsettled {
        let guilty = bodies[index]
        var unsettled = Unsettled()
        unsettled.together = bodies.filter { $0 !== guilty }
        // The last one to fit is not always the one that filled the disk.
        if error as? DatabaseFailure == .full, bodies.count > 1 {
            unsettled.alone = [guilty]
        } else {
            guilty.finish(error)
        }
        return unsettled
    }

    private func refused(
        _ bodies: [any PendingBody], _ failure: DatabaseFailure, on db: Connection
    ) -> Unsettled {
        switch failure {
        case .full, .constraint:
            // Somebody's rows did it; nobody knows whose.
            guard bodies.count > 1 else { break }
            return Unsettled(alone: bodies)
        case .commitUnknown:
            doubt.begin()
            do {
                try doubt.resolve(db)
            } catch {
                logger.error("a commit stays in doubt", metadata: ["error": "\(translated(error, during: "doubt"))"])
            }
        case .overloaded, .unavailable, .corrupt, .closed, .statement:
            break
        }
        answer(bodies, with: failure)
        return Unsettled()
    }

    /// - Returns: why the body has not taken place; nil when it has.
    private func runBody(_ body: any PendingBody, on db: Connection) -> (any Error)? {
        do {
            try db.step("SAVEPOINT body")
            do {
                watch.begin(isTimed: body.isTimed)
                defer { watch.end() }
                let tx = SQLiteTx(db, watch: watch, dialect: dialect)
                try body.run(tx)
                // A body that goes on after it would have half of it stored.
                if let failure = tx.failure { throw failure }
            } catch {
                let error = watch.explained(translated(error, during: "body"))
                guard db.isInsideTransaction else { return error }
                try db.step("ROLLBACK TO body")
                try db.step("RELEASE body")
                return error
            }
            try db.step("RELEASE body")
            return nil
        } catch {
            // The savepoint itself failed: what the body did cannot be told apart from the others any more.
            rollBack(db)
            return translated(error, during: "savepoint")
        }
    }

    /// - Returns: why none of it took place, or may not have.
    private func commit(_ count: Int, on db: Connection) -> DatabaseFailure? {
        let began = clock.uptime
        do {
            try db.step("COMMIT")
        } catch {
            rollBack(db)
            return translated(error, during: "COMMIT") as? DatabaseFailure ?? .unavailable("\(error)")
        }
        gauges.batchBodies.record(count)
        gauges.commitSeconds.recordNanoseconds((clock.uptime - began).microseconds * 1000)
        return nil
    }

    private func rollBack(_ db: Connection) {
        guard db.isInsideTransaction else { return }
        do {
            try db.step("ROLLBACK")
        } catch {
            logger.critical("a transaction could not be rolled back", metadata: ["error": "\(error)"])
        }
    }

    private func answer(_ bodies: [any PendingBody], with error: any Error) {
        for body in bodies { body.finish(error) }
    }

    private func translated(_ error: any Error, during step: String) -> any Error {
        guard let error = error as? DatabaseError else { return error }
        let failure = step == "COMMIT" ? error.commitFailure : error.failure
        if failure.isAlarming {
            logger.error("the database failed", metadata: ["step": "\(step)", "error": "\(failure)"])
        }
        return failure
    }
}

extension Connection {
    /// Runs one of the few statements that every batch needs; SQLite compiles each once.
    fileprivate func step(_ sql: String) throws { try cachedStatement(sql: sql).execute() }
}
