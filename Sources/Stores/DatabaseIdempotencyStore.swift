package import Database
import Kernel
package import Tenancy

/// Idempotency records as rows, each in the scope of its workspace. Time is the database's.
///
/// A row lives on when a lease is given up or taken over, so that its epoch only grows: a holder that comes back late
/// finds another one, and changes nothing.
package struct DatabaseIdempotencyStore: IdempotencyStore {
    /// Long answers are kept in rows of this size.
    private static let partSize = 256 * 1024

    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    private func scope(of key: IdempotencyKey) -> Scope { key.workspace.map { .workspace($0) } ?? .system }

    package func claim(
        _ key: IdempotencyKey, fingerprint: [UInt8], leaseFor duration: Duration
    ) async throws -> IdempotencyClaim {
        try await database.storing(scope(of: key)) { tx in
            guard let record = try Self.record(of: key, tx) else {
                return try Self.add(key, fingerprint, duration, tx)
            }
            if record.isFree(at: tx.now) { return try Self.take(key, record, fingerprint, duration, tx) }
            guard record.fingerprint == fingerprint else { return .conflict }
            if let answer = record.answer { return .answered(try Self.stored(answer, of: key, tx)) }
            if record.isRunning(at: tx.now) { return .running }
            return try Self.take(key, record, fingerprint, duration, tx)
        }
    }

    package func renew(_ lease: IdempotencyLease, for duration: Duration) async throws -> IdempotencyLease? {
        try await database.storing(scope(of: lease.key)) { tx in
            let expires = tx.now + duration
            let renewed = try tx.run(
                """
                UPDATE idempotency SET lease = $5, ends = $6
                WHERE scope = $1 AND route = $2 AND name = $3 AND epoch = $4 AND lease IS NOT NULL AND status IS NULL
                """,
                lease.key.columns + [lease.epoch, expires, expires + IdempotencyKey.lifetime])
            return renewed == 1 ? IdempotencyLease(key: lease.key, epoch: lease.epoch, expires: expires) : nil
        }
    }

    package func complete(_ lease: IdempotencyLease, with answer: StoredAnswer) async throws -> Bool {
        try await database.storing(scope(of: lease.key)) { tx in
            let completed = try tx.run(
                """
                UPDATE idempotency SET lease = NULL, status = $5, content_type = $6, size = $7, ends = $8
                WHERE scope = $1 AND route = $2 AND name = $3 AND epoch = $4 AND lease IS NOT NULL AND status IS NULL
                """,
                lease.key.columns + [
                    lease.epoch, answer.status, answer.contentType, answer.body.count,
                    tx.now + IdempotencyKey.lifetime,
                ])
            guard completed == 1 else {
                // Said twice, since the first time nobody knew whether it had been heard.
                let record = try Self.record(of: lease.key, tx)
                return record?.epoch == lease.epoch && record?.answer != nil
            }
            for (number, start) in stride(from: 0, to: answer.body.count, by: Self.partSize).enumerated() {
                let part = answer.body[start..<min(start + Self.partSize, answer.body.count)]
                try tx.run(
                    "INSERT INTO idempotency_part (scope, route, name, number, bytes) VALUES ($1, $2, $3, $4, $5)",
                    lease.key.columns + [number, Bytes(Array(part))])
            }
            return true
        }
    }

    package func release(_ lease: IdempotencyLease) async throws {
        try await database.storing(scope(of: lease.key)) { tx in
            try tx.run(
                """
                UPDATE idempotency SET lease = NULL, ends = $5
                WHERE scope = $1 AND route = $2 AND name = $3 AND epoch = $4 AND status IS NULL
                """,
                lease.key.columns + [lease.epoch, tx.now + IdempotencyKey.lifetime])
        }
    }

    /// The parts go with their record.
    package func prune(limit: Int) async throws -> Int {
        try await database.storing(.system) { tx in
            try tx.run(
                """
                DELETE FROM idempotency WHERE (scope, route, name) IN (
                    SELECT scope, route, name FROM idempotency WHERE ends <= $1 ORDER BY ends LIMIT $2)
                """,
                [tx.now, limit])
        }
    }
}

// MARK: - Inside a transaction

extension DatabaseIdempotencyStore {
    fileprivate struct Record {
        struct Answer {
            let status: Int
            let contentType: String
            let size: Int
        }

        let fingerprint: [UInt8]
        let epoch: Int64
        let lease: Instant?
        let answer: Answer?
        let ends: Instant

        /// Whether nothing of it counts any more: given up, or too old.
        func isFree(at now: Instant) -> Bool { ends <= now || (lease == nil && answer == nil) }

        func isRunning(at now: Instant) -> Bool { lease.map { now < $0 } ?? false }
    }

    fileprivate static func record(of key: IdempotencyKey, _ tx: any Tx) throws -> Record? {
        let row = try tx.row(
            """
            SELECT fingerprint, epoch, lease, status, content_type, size, ends FROM idempotency
            WHERE scope = $1 AND route = $2 AND name = $3
            """,
            key.columns)
        guard let row else { return nil }
        var answer: Record.Answer?
        if let status: Int = try row.value("status", as: Int?.self) {
            answer = Record.Answer(
                status: status, contentType: try row.value("content_type"), size: try row.value("size"))
        }
        return Record(
            fingerprint: try row.value("fingerprint", as: Bytes.self).bytes, epoch: try row.value("epoch"),
            lease: try row.value("lease"), answer: answer, ends: try row.value("ends"))
    }

    fileprivate static func add(
        _ key: IdempotencyKey, _ fingerprint: [UInt8], _ duration: Duration, _ tx: any Tx
    ) throws -> IdempotencyClaim {
        let expires = tx.now + duration
        let isNew = try tx.run(
            """
            INSERT INTO idempotency (scope, route, name, fingerprint, epoch, lease, ends)
            VALUES ($1, $2, $3, $4, 1, $5, $6) ON CONFLICT (scope, route, name) DO NOTHING
            """,
            key.columns + [Bytes(fingerprint), expires, expires + IdempotencyKey.lifetime])
        return isNew == 1 ? .granted(IdempotencyLease(key: key, epoch: 1, expires: expires)) : .running
    }

    fileprivate static func take(
        _ key: IdempotencyKey, _ record: Record, _ fingerprint: [UInt8], _ duration: Duration, _ tx: any Tx
    ) throws -> IdempotencyClaim {
        let expires = tx.now + duration
        let epoch = record.epoch + 1
        if record.answer != nil {
            try tx.run("DELETE FROM idempotency_part WHERE scope = $1 AND route = $2 AND name = $3", key.columns)
        }
        try tx.run(
            """
            UPDATE idempotency SET fingerprint = $4, epoch = $5, lease = $6, status = NULL, content_type = NULL,
                size = NULL, ends = $7
            WHERE scope = $1 AND route = $2 AND name = $3
            """,
            key.columns + [Bytes(fingerprint), epoch, expires, expires + IdempotencyKey.lifetime])
        return .granted(IdempotencyLease(key: key, epoch: epoch, expires: expires))
    }

    fileprivate static func stored(
        _ answer: Record.Answer, of key: IdempotencyKey, _ tx: any Tx
    ) throws -> StoredAnswer {
        let parts = try tx.rows(
            "SELECT bytes FROM idempotency_part WHERE scope = $1 AND route = $2 AND name = $3 ORDER BY number",
            key.columns)
        var body: [UInt8] = []
        body.reserveCapacity(answer.size)
        for part in parts { body += try part.value("bytes", as: Bytes.self).bytes }
        guard body.count == answer.size else { throw DatabaseFailure.corrupt("a stored answer is not whole") }
        return StoredAnswer(status: answer.status, contentType: answer.contentType, body: body)
    }
}

extension IdempotencyKey {
    /// `scope`, `route` and `name`: the primary key.
    fileprivate var columns: [any SQLRepresentable] { [workspace?.description ?? "platform", route, text] }
}
