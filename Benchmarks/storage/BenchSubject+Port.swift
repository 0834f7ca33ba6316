import Database
import Kernel

extension BenchSubject {
    static func port(_ database: any Database, close: @escaping @Sendable () async throws -> Void) -> Self {
        BenchSubject(
            prepare: {
                try await database.write(.schema) { tx in
                    for statement in tables { try tx.run(statement) }
                }
            },
            transact: { caller, turn in
                try await database.write(.system) { tx in
                    try tx.run(insert, [caller, turn, note])
                    try tx.run(update, [caller * stride])
                }
            },
            sum: {
                try await database.read(.system) { tx in
                    let events = try tx.row("SELECT COUNT(*) AS n FROM bench_event")
                    let balance = try tx.row("SELECT CAST(SUM(balance) AS BIGINT) AS n FROM bench_account")
                    return (try events?.value("n") ?? 0, try balance?.value("n") ?? 0)
                }
            },
            close: close)
    }
}
