package import Billing
package import Database
package import Kernel

/// What binds a key's spending, read in one look, in the scope of its workspace.
package struct DatabaseSpendingStore: SpendingStore {
    private let database: any Database

    package init(_ database: any Database) { self.database = database }

    package func rules(for spender: Spender) async throws -> (SpendingRules, now: Instant) {
        let found = try await database.fetching(.workspace(spender.workspace)) { tx in
            try SpendingLook(spender, tx)
        }
        if found.missing.isEmpty { return (found.rules, found.now) }
        // Looked at again in the transaction that opens them: an amount may have changed since, and an account with a
        // limit of before would be a wall in the wrong place.
        let opened = try await database.storing(.system) { tx in
            let look = try SpendingLook(spender, tx)
            try DatabaseLedger.open(look.missing, tx)
            return look
        }
        return (opened.rules, opened.now)
    }

    package func version() async throws -> Int64 {
        try await database.fetching(.system) { tx in
            guard let row = try tx.row("SELECT last FROM spending_counter") else {
                throw DatabaseFailure.corrupt("the counter of changes to spending is gone")
            }
            return try row.value("last")
        }
    }
}
