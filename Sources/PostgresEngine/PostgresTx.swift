import Database
import Kernel

/// A transaction on one connection. The first failure ends it: the server accepts nothing after that, and whatever
/// the body makes of the failure, nothing is committed.
final class PostgresTx: Tx {
    let dialect = Dialect.postgres
    let now: Instant
    private(set) var failure: SessionFailure?
    private let connection: PostgresConnection
    private let setting: ScopeSetting?
    private let gauges: PoolMetrics
    private let body: any PendingBody

    /// - Parameter setting: for a statement that is a transaction of its own; inside one it was set at its begin.
    init(
        _ connection: PostgresConnection, for body: any PendingBody, now: Instant, setting: ScopeSetting? = nil,
        gauges: PoolMetrics
    ) {
        self.connection = connection
        self.now = now
        self.setting = setting
        self.gauges = gauges
        self.body = body
    }

    func run(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> Int {
        try answer(sql) { () throws(SessionFailure) in try Parameters(arguments.map(\.sqlValue)) }.changedRows
    }

    func run(_ statement: RowsStatement, _ rows: RowBlock) throws(DatabaseFailure) -> Int {
        var changed = 0
        var place = 0
        for part in statement.parts(of: rows.count) {
            let cells = place..<place + part.length * rows.columns
            place = cells.upperBound
            changed += try answer(part.sql) { () throws(SessionFailure) in try Parameters(rows, cells) }.changedRows
        }
        return changed
    }

    func rows(_ sql: String, _ arguments: [any SQLRepresentable]) throws(DatabaseFailure) -> [Row] {
        try answer(sql) { () throws(SessionFailure) in try Parameters(arguments.map(\.sqlValue)) }.rows()
    }

    private func answer(
        _ sql: String, _ parameters: () throws(SessionFailure) -> Parameters
    ) throws(DatabaseFailure) -> QueryResult {
        // A cancellation that comes between two statements finds none to end.
        if failure == nil, body.isCancelled { failure = .cancelled }
        if let failure { throw failure.failure }
        do {
            return try gauges.timing { () throws(SessionFailure) in
                try connection.query(sql, parameters(), setting: setting)
            }
        } catch {
            failure = error
            throw error.failure
        }
    }
}
