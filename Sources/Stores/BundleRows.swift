import Billing
import Database
import Kernel

/// What a usage row says of bundles.
extension Row {
    /// In the order of the lines.
    func shares() throws -> [Int64] {
        try (1...BundleLine.most).compactMap { try value("share_" + String($0), as: Int64?.self) }
    }
}

extension Transfer {
    /// What a request has in the transfers of its bundle, as if each had been posted for it alone.
    static func shares(of request: RequestID, _ tx: any Tx) throws -> [Transfer] {
        let usage = try tx.row("SELECT * FROM usage WHERE request_id = $1 AND posting_id IS NOT NULL", [request])
        guard let usage else { return [] }
        let amounts = try usage.shares()
        let started: Instant = try usage.value("started")
        let lines = try tx.rows(
            "SELECT * FROM transfer WHERE posting_id = $1 AND bundle = $2 ORDER BY place",
            [try usage.value("posting_id", as: PostingID.self), try usage.value("bundle", as: Int64.self)])
        guard lines.count == amounts.count else {
            throw DatabaseFailure.corrupt("a usage row has other shares than its bundle has lines")
        }
        return try zip(lines, amounts).map { row, units in
            let line = try Transfer(row: row)
            let name = TransferRow.name(line.id.text)
            return Transfer(
                id: TransferID(request, name), kind: line.kind, reason: line.reason, debit: line.debit,
                credit: line.credit, amount: Amount(units: units, line.amount.asset), escrow: line.escrow,
                request: request, accepted: started)
        }
    }
}
