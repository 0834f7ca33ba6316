import GRDB

extension BenchSubject {
    static func grdb(path: String) throws -> Self {
        let pool = try DatabasePool(path: path)
        // As in our engine: GRDB's own default is NORMAL.
        try pool.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
        return BenchSubject(
            prepare: {
                try await pool.write { db in
                    for statement in tables { try db.execute(sql: statement) }
                }
            },
            transact: { caller, turn in
                try await pool.write { db in
                    try db.cachedStatement(sql: "INSERT INTO bench_event (caller, turn, note) VALUES (?, ?, ?)")
                        .execute(arguments: [caller, turn, note])
                    try db.cachedStatement(sql: "UPDATE bench_account SET balance = balance + 1 WHERE id = ?")
                        .execute(arguments: [caller * stride])
                }
            },
            sum: {
                try await pool.read { db in
                    let events = try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM bench_event")
                    let balance = try Int.fetchOne(db, sql: "SELECT SUM(balance) FROM bench_account")
                    return (events ?? 0, balance ?? 0)
                }
            },
            close: { try pool.close() })
    }
}
