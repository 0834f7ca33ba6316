import Billing
import Database
package import Flows
import Inference
import Kernel

extension DatabaseLedger: SettlementStore {
    package func settle(_ settlements: [Settlement]) async throws -> SettlementReport {
        guard !settlements.isEmpty else { return SettlementReport() }
        let posting = PostingSeal(id: ids.next(), sealer: sealer)
        return try await raced { [self] isRepeated in
            try await database.guarding(.system) { tx in
                try settle(settlements, looksBack: isRepeated, posting, tx)
            }
        }
    }

    /// - Parameter looksBack: whether to look for what is there already: usage rows, and transfers of requests without
    ///   one. There is nothing, unless a batch is sent again; then an insertion told so.
    private func settle(
        _ settlements: [Settlement], looksBack: Bool, _ posting: PostingSeal, _ tx: any Tx
    ) throws -> SettlementReport {
        var report = SettlementReport()
        let unique = SettlementBatch(settlements)
        let requests = looksBack ? unique.settlements.map(\.record.request) : []
        var batch = unique.without(try UsageRows.known(of: requests, tx))
        report.repeated = settlements.count - batch.settlements.count
        guard !batch.settlements.isEmpty else { return report }
        var bundles = Bundles(of: batch.settlements)
        let posted = looksBack ? try Transfer.known(Self.identifiers(of: batch.settlements), tx) : [:]
        var bookings = Bookings(rows: try LedgerRows(for: bundles.naming, tx), known: posted)
        // What is there without its usage row is looked at one by one.
        if posted.isEmpty { bundles.post(to: &bookings.rows, as: posting.id, atLeast: bundled) }
        for place in batch.order.indices where bundles.numbers[place] == nil {
            batch.replace(at: place, by: try bookings.book(batch.settlements[place], tx))
        }
        report.late = bookings.late
        let shares = bundles.shares(of: batch)
        let rows = UsageRows(batch, posting.id, shares: shares)
        // Another shipper of the same record waits here, and then has added none.
        guard try rows.insert(tx) == batch.settlements.count else { throw PostingRaced() }
        try SuspenseRows.insert(batch.settlements, tx)
        report.events = try bookings.rows.write(posting, shares: shares, tx)
        return report
    }

    private static func identifiers(of settlements: [Settlement]) -> [TransferID] {
        settlements.flatMap { $0.transfers.map(\.id) }.filter(\.isWellFormed)
    }
}

/// What becomes of the transfers of settlements, given what their escrows hold.
private struct Bookings {
    var rows: LedgerRows
    /// Those of their identifiers that are there, although the usage row is not.
    let known: [TransferID: Transfer]
    /// Settlements of which a part had lost its place.
    private(set) var late = 0

    init(rows: LedgerRows, known: [TransferID: Transfer]) {
        self.rows = rows
        self.known = known
    }

    /// Each transfer that has its place is accepted. Of the others, as much as their escrow still holds; what a purse
    /// should have paid beyond that goes to suspense.
    /// - Returns: the settlement as it is to be stored.
    mutating func book(_ settlement: Settlement, _ tx: any Tx) throws -> Settlement {
        var isLate = false
        var suspended: Int64 = 0
        var asset: Asset?
        for transfer in settlement.transfers where transfer.amount.units > 0 && known[transfer.id] != transfer {
            let rest = known[transfer.id] == nil ? place(transfer) : transfer.amount.units
            guard rest > 0 else { continue }
            isLate = true
            guard transfer.reason == .charge, try suspend(rest, of: transfer, tx) else { continue }
            suspended = suspended.addingReportingOverflow(rest).partialValue
            asset = transfer.amount.asset
        }
        if isLate { late += 1 }
        guard let currency = asset?.currency else { return settlement }
        return settlement.suspending(Money(units: suspended, currency))
    }

    /// - Returns: what found no place.
    private mutating func place(_ transfer: Transfer) -> Int64 {
        let amount = transfer.amount.units
        switch rows.add(group: [transfer]) {
        case nil: return 0
        case .escrowShort(_, let remaining) where remaining > 0 && remaining < amount:
            return rows.add(group: [transfer.taking(remaining)]) == nil ? amount - remaining : amount
        case .escrowShort, .insufficient, .invalid, .conflict, .posted, .repeated: return amount
        }
    }

    /// - Returns: false where not even suspense can hold it.
    private mutating func suspend(_ amount: Int64, of transfer: Transfer, _ tx: any Tx) throws -> Bool {
        let asset = transfer.amount.asset
        let suspense = PlatformAccounts.account(.suspense, asset)
        let revenue = PlatformAccounts.account(.revenue, asset)
        try rows.include(unguarded: [suspense.id, revenue.id], tx)
        if rows.accounts[suspense.id] == nil || rows.accounts[revenue.id] == nil {
            try DatabaseLedger.open([suspense, revenue], tx)
            try rows.include(unguarded: [suspense.id, revenue.id], tx)
        }
        let refusal = rows.add(group: [
            Transfer(
                id: TransferID(transfer.id.text + "/late"), reason: .suspense, debit: suspense.id, credit: revenue.id,
                amount: Amount(units: amount, asset), request: transfer.request, accepted: transfer.accepted)
        ])
        return refusal == nil
    }
}

extension Transfer {
    fileprivate func taking(_ units: Int64) -> Transfer {
        Transfer(
            id: id, kind: kind, reason: reason, debit: debit, credit: credit,
            amount: Amount(units: units, amount.asset), escrow: escrow, request: request, accepted: accepted)
    }
}

extension Settlement {
    fileprivate func suspending(_ amount: Money) -> Settlement {
        let bill = Bill(
            state: .suspended, price: bill.price, cost: bill.cost, umu: bill.umu, priceVersion: bill.priceVersion,
            costVersion: bill.costVersion)
        let item = SuspendedItem(
            request: record.request, workspace: record.workspace, reason: .late, amount: amount,
            accepted: record.started)
        return Settlement(record: record, bill: bill, transfers: transfers, suspended: suspended ?? item)
    }
}

extension Bill {
    static let none = Bill(state: .free, price: nil, cost: nil, umu: nil, priceVersion: 0, costVersion: 0)
}
