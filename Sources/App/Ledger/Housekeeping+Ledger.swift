import Flows

extension Housekeeping {
    /// Postings are in the chain, and its head outside the database, within a second.
    static func chores(linking: LedgerLinking, resolving suspense: SuspenseFlow) -> [Chore] {
        [
            Chore(name: "ledger chain", interval: .seconds(1)) {
                try await linking.pass()
                return false
            },
            Chore(name: "ledger head", interval: .seconds(3600)) {
                linking.log()
                return false
            },
            Chore(name: "suspense", interval: .seconds(60)) {
                _ = try await suspense.resolve()
                return false
            },
        ]
    }
}
