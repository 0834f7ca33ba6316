import Database
import GRDB
import Kernel
import Logging
import Metrics

/// Runs batches of waiting bodies on the writer's connection: one transaction and one sync for many callers.
///
/// - Each body has its savepoint: one that fails is undone alone.
/// - Nobody is resumed before COMMIT.
/// - No batch runs in a caller's task, so that a cancelled caller cannot undo the others.
struct GroupCommit: Sendable {
    let queue: WriteQueue
    let clock: any Clock
    let dialect: Dialect
    let gauges: EngineMetrics
    let logger: Logger

    /// Runs batches until nobody waits.
    func drain(_ db: Connection) {
        while true {
            let batch = queue.nextBatch()
            if batch.isEmpty { break }
            gauges.queueDepth.record(queue.depth)
            var rest = batch[...]
            while !rest.isEmpty { rest = runTransaction(rest, on: db) }
        }
        gauges.queueDepth.record(0)
    }

    /// - Returns: the bodies that still wait, when the transaction broke before their turn.
    private func runTransaction(
        _ batch: ArraySlice<any PendingBody>, on db: Connection
    ) -> ArraySlice<any PendingBody> {
        do {
            try db.execute(sql: "BEGIN IMMEDIATE")
        } catch {
            fail(batch, with: translated(error, during: "BEGIN"))
            return []
        }
        var done: [any PendingBody] = []
        var failed: [(body: any PendingBody, error: any Error)] = []
        for (index, body) in zip(batch.indices, batch) {
            guard body.begin() else { continue }
            if let error = runBody(body, on: db) {
                failed.append((body, error))
            } else {
                done.append(body)
            }
            // SQLite undoes the whole transaction on some errors (disk full, I/O, out of memory).
            guard db.isInsideTransaction else {
                let cause = failed.last?.error ?? DatabaseFailure.statement("a body ended the transaction")
                fail(done[...], with: translated(cause, during: "transaction"))
                for (body, error) in failed { body.finish(error) }
                return batch[batch.index(after: index)...]
            }
        }
        commit(done, on: db)
        for (body, error) in failed { body.finish(error) }
        return []
    }

    /// - Returns: why the body has not taken place; nil when it has.
    private func runBody(_ body: any PendingBody, on db: Connection) -> (any Error)? {
        do {
            try db.execute(sql: "SAVEPOINT body")
            do {
                try body.run(SQLiteTx(db, now: clock.now, dialect: dialect))
                try db.execute(sql: "RELEASE body")
                return nil
            } catch {
                guard db.isInsideTransaction else { return translated(error, during: "body") }
                try db.execute(sql: "ROLLBACK TO body")
                try db.execute(sql: "RELEASE body")
                return translated(error, during: "body")
            }
        } catch {
            // The savepoint itself failed: what the body did cannot be told apart from the others any more.
            rollBack(db)
            return translated(error, during: "savepoint")
        }
    }

    private func commit(_ done: [any PendingBody], on db: Connection) {
        if done.isEmpty {
            rollBack(db)
            return
        }
        let began = clock.uptime
        do {
            try db.execute(sql: "COMMIT")
        } catch {
            rollBack(db)
            fail(done[...], with: translated(error, during: "COMMIT"))
            return
        }
        gauges.batchBodies.record(done.count)
        gauges.commitSeconds.recordNanoseconds((clock.uptime - began).microseconds * 1000)
        for body in done { body.finish(nil) }
    }

    private func rollBack(_ db: Connection) {
        guard db.isInsideTransaction else { return }
        do {
            try db.execute(sql: "ROLLBACK")
        } catch {
            logger.critical("a transaction could not be rolled back", metadata: ["error": "\(error)"])
        }
    }

    private func fail(_ bodies: ArraySlice<any PendingBody>, with error: any Error) {
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
