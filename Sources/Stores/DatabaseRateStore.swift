package import Billing
package import Database
package import Kernel

/// Shared limits as rows. Whoever changes one locks the limit's bucket first, those of concurrency too, in the order of
/// their identifiers; what is computed from then on nobody else changes.
package struct DatabaseRateStore: RateStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func take(_ asks: [RateAsk]) async throws -> [RateGrant] {
        try await database.guarding(.system) { tx in
            try inOrder(asks, by: \.limit.id) { ask in
                var shared = try Self.locked(ask.limit, tx)
                let grant = shared.answer(ask, at: tx.now.microseconds)
                try tx.run(
                    """
                    UPDATE rate_bucket SET level = $2, changed = $3, amount = $4, held = $5, held_before = $6
                    WHERE limit_id = $1
                    """,
                    [
                        ask.limit.id, shared.bucket.level, shared.bucket.changed, shared.bucket.amount, shared.held,
                        shared.heldBefore,
                    ])
                return grant
            }
        }
    }

    package func slots(
        _ asks: [SlotAsk], for node: NodeID, lasting length: Duration
    ) async throws -> [Int64] {
        try await database.guarding(.system) { tx in
            try inOrder(asks, by: \.limit.id) { ask in
                _ = try Self.locked(ask.limit, tx)
                let row = try tx.row(
                    """
                    SELECT CAST(COALESCE(SUM(slots), 0) AS BIGINT) AS others FROM rate_slot
                    WHERE limit_id = $1 AND node_id <> $2 AND expires > $3
                    """, [ask.limit.id, node, tx.now])
                let others: Int64 = try row?.value("others") ?? 0
                let count = SharedBucket.places(for: ask, beside: others)
                if count == 0 {
                    try tx.run("DELETE FROM rate_slot WHERE limit_id = $1 AND node_id = $2", [ask.limit.id, node])
                } else {
                    try tx.run(
                        """
                        INSERT INTO rate_slot (limit_id, node_id, slots, expires) VALUES ($1, $2, $3, $4)
                        ON CONFLICT (limit_id, node_id) DO UPDATE SET slots = excluded.slots,
                            expires = excluded.expires
                        """, [ask.limit.id, node, count, tx.now + length])
                }
                return count
            }
        }
    }

    package func renew(_ node: NodeID, lasting length: Duration) async throws -> [LimitID: Int64] {
        try await database.guarding(.system) { tx in
            let rows = try tx.rows(
                """
                UPDATE rate_slot SET expires = $2 WHERE node_id = $1 AND expires > $3 RETURNING limit_id, slots
                """, [node, tx.now + length, tx.now])
            var counts: [LimitID: Int64] = [:]
            for row in rows { counts[try row.value("limit_id")] = try row.value("slots") }
            return counts
        }
    }

    package func release(_ node: NodeID) async throws {
        try await database.guarding(.system) { tx in
            try tx.run("DELETE FROM rate_slot WHERE node_id = $1", [node])
        }
    }

    /// A bucket that nobody asked for three minutes is full, whatever it was, and nothing of it is held.
    package func prune(limit: Int) async throws {
        try await database.guarding(.system) { tx in
            try tx.run("DELETE FROM rate_slot WHERE expires < $1", [tx.now - .seconds(60)])
            try tx.run(
                """
                DELETE FROM rate_bucket WHERE limit_id IN (
                    SELECT limit_id FROM rate_bucket WHERE changed < $1 ORDER BY limit_id LIMIT $2)
                    AND changed < $1
                """, [tx.now - .seconds(180), limit])
        }
    }

    /// The row, made when it is missing. Writing it locks it before it is read.
    private static func locked(_ limit: RateLimit, _ tx: any Tx) throws -> SharedBucket {
        let full = RateBucket(amount: limit.amount, at: tx.now.microseconds)
        let row = try tx.row(
            """
            INSERT INTO rate_bucket (limit_id, level, changed, amount, held, held_before) VALUES ($1, $2, $3, $4, 0, 0)
            ON CONFLICT (limit_id) DO UPDATE SET limit_id = excluded.limit_id
            RETURNING level, changed, amount, held, held_before
            """, [limit.id, full.level, full.changed, full.amount])
        guard let row else { throw DatabaseFailure.corrupt("a row vanished inside its transaction") }
        return SharedBucket(
            bucket: RateBucket(
                amount: try row.value("amount"), level: try row.value("level"), changed: try row.value("changed")),
            held: try row.value("held"), heldBefore: try row.value("held_before"))
    }
}

/// Whoever locks several rows does so in one order, so that no two wait for each other.
private func inOrder<Ask, Key: Comparable, Answer>(
    _ asks: [Ask], by key: (Ask) -> Key, _ answer: (Ask) throws -> Answer
) rethrows -> [Answer] {
    let sorted = asks.enumerated().sorted { key($0.element) < key($1.element) }
    let answers = try sorted.map { (place: $0.offset, answer: try answer($0.element)) }
    return answers.sorted { $0.place < $1.place }.map(\.answer)
}
