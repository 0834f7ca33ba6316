import Kernel

/// Each request's usage row beside its transfers and what of it waits in suspense.
struct RequestCheck {
    /// No request has more transfers than this: beyond it they are counted, and told.
    private static let mostTransfers = 4096

    let page: Int

    func run(over view: any LedgerView, _ counts: inout LedgerCounts, _ findings: inout LedgerFindings) throws {
        var charges = Pages(of: page, view.charges)
        var items = Pages(of: page, view.suspended)
        var transfers = Pages(of: page) { try view.transfers(in: .request, after: $0, limit: $1) }
        var bundles = BundleLines()
        while let id = try nextID(&charges, &items, &transfers) {
            var rows: [TransferRow] = []
            while let row = try transfers.next(if: { $0.request == id }) {
                if rows.count < Self.mostTransfers { rows.append(row) }
            }
            let usage = try charges.next { $0.request == id }
            if let usage, let share = usage.share {
                rows += share.rows(in: try bundles.lines(of: share, view), accepted: usage.started)
            }
            let item = try items.next { $0.request == id }
            if usage != nil { counts.requests += 1 }
            checkOnce(id, rows, &findings)
            guard let usage else {
                missing(id, rows, item, &findings)
                continue
            }
            checkOwner(usage, rows, &findings)
            checkPrice(usage, rows, item, &findings)
            checkCost(usage, rows, &findings)
            checkSuspense(usage, rows, item, &findings)
        }
    }

    private func nextID(
        _ charges: inout Pages<ChargeRow>, _ items: inout Pages<SuspendedRow>, _ transfers: inout Pages<TransferRow>
    ) throws -> String? {
        try [charges.peek()?.request, items.peek()?.request, transfers.peek()?.request].compactMap { $0 }.min()
    }

    private func missing(
        _ id: String, _ rows: [TransferRow], _ item: SuspendedRow?, _ findings: inout LedgerFindings
    ) {
        let what = rows.isEmpty ? "is in suspense" : "has \(rows.count) transfers"
        findings.add(
            .usageMissing, [id] + rows.prefix(16).map(\.id), expected: "a usage row", found: "none",
            "Request \(id) \(what) and has no usage row.")
    }

    /// A request takes from an account once for what it costs, and is counted by a budget once.
    private func checkOnce(_ id: String, _ rows: [TransferRow], _ findings: inout LedgerFindings) {
        var seen: Set<[String]> = []
        for row in rows {
            guard let reason = Transfer.Reason(rawValue: row.reason), [.charge, .count, .resolution].contains(reason),
                !seen.insert([row.reason, row.debit]).inserted
            else { continue }
            findings.add(
                .settledTwice, [id, row.id, row.debit], expected: "one transfer", found: "two",
                "Account \(row.debit) was debited twice for the \(row.reason) of request \(id).")
        }
    }

    private func sum(_ rows: [TransferRow], _ reasons: Set<Transfer.Reason>) -> Int128 {
        rows.filter { Transfer.Reason(rawValue: $0.reason).map(reasons.contains) ?? false }
            .reduce(0) { $0 + Int128($1.amount) }
    }

    /// Whom the usage row names is whose accounts its charges and counts debit.
    private func checkOwner(_ usage: ChargeRow, _ rows: [TransferRow], _ findings: inout LedgerFindings) {
        let stranger = rows.first { row in
            let isOthers = row.tenant != nil && usage.tenant != nil && row.tenant != usage.tenant
            return isOthers || row.workspace != nil && row.workspace != usage.workspace
        }
        guard let row = stranger else { return }
        findings.add(
            .ownerDiffers, [usage.request, row.id], expected: row.workspace ?? row.tenant, found: usage.workspace,
            "Request \(usage.request) is said to be of \(usage.workspace), and transfer \(row.id) debits an account of "
                + "\(row.workspace ?? row.tenant ?? "nobody").")
    }

    private func checkCost(_ usage: ChargeRow, _ rows: [TransferRow], _ findings: inout LedgerFindings) {
        let booked = rows.filter { $0.reason == Transfer.Reason.cost.rawValue }
        let found = sum(booked, [.cost])
        let expected = Int128(usage.cost ?? 0)
        guard found != expected || booked.contains(where: { $0.asset != usage.costCurrency }) else { return }
        let (has, should) = (
            Spoken.amount(found, booked.first?.asset ?? usage.costCurrency ?? ""),
            Spoken.amount(expected, usage.costCurrency ?? booked.first?.asset ?? "")
        )
        findings.add(
            .costDiffers, [usage.request] + booked.prefix(16).map(\.id), expected: should, found: has,
            "Request \(usage.request) is said to cost the platform \(should), and \(has) are booked for it.")
    }

    private func checkPrice(
        _ usage: ChargeRow, _ rows: [TransferRow], _ item: SuspendedRow?, _ findings: inout LedgerFindings
    ) {
        // What the platform bears of a request, the tenant does not pay: it is no part of its price.
        let reasons: Set<Transfer.Reason> = [.charge, .suspense]
        let paid = rows.filter { Transfer.Reason(rawValue: $0.reason).map(reasons.contains) ?? false }
        let found = sum(rows, reasons)
        var expected = Int128(usage.price ?? 0)
        var currency = usage.currency
        if usage.price == nil, let item, item.reason != SuspendedReason.late {
            // Priced afterwards.
            expected = item.isResolved ? Int128(item.amount ?? 0) : 0
            currency = item.currency
        }
        if let row = paid.first(where: { currency != nil && $0.asset != currency }) {
            findings.add(
                .chargeDiffers, [usage.request, row.id], expected: currency, found: row.asset,
                "Request \(usage.request) was priced in \(currency ?? "nothing"), and transfer \(row.id) charges "
                    + "\(row.asset).")
            return
        }
        guard found != expected else { return }
        let asset = currency ?? paid.first?.asset ?? ""
        let (has, should) = (Spoken.amount(found, asset), Spoken.amount(expected, asset))
        findings.add(
            .chargeDiffers, [usage.request] + paid.prefix(16).map(\.id), expected: should, found: has,
            "Request \(usage.request) costs \(should), and its charges sum to \(has).")
    }

    private func checkSuspense(
        _ usage: ChargeRow, _ rows: [TransferRow], _ item: SuspendedRow?, _ findings: inout LedgerFindings
    ) {
        let id = usage.request
        let suspended = sum(rows, [.suspense])
        let resolved = sum(rows, [.resolution])
        guard let item else {
            guard suspended > 0 || usage.state == "suspended" else { return }
            findings.add(
                .suspenseMissing, [id], expected: "an item in suspense", found: "none",
                "Request \(id) was put in suspense, and nothing waits there for it.")
            return
        }
        let asset = item.currency ?? usage.currency ?? ""
        if item.reason == SuspendedReason.late, Int128(item.amount ?? 0) != suspended {
            let (has, should) = (
                Spoken.amount(Int128(item.amount ?? 0), asset), Spoken.amount(suspended, asset)
            )
            findings.add(
                .suspenseDiffers, [id], expected: should, found: has,
                "What is in suspense for request \(id) is said to be \(has), and its transfers sum to \(should).")
        }
        if resolved > suspended || (item.isResolved && item.reason == SuspendedReason.late && resolved != suspended) {
            let (has, should) = (Spoken.amount(resolved, asset), Spoken.amount(suspended, asset))
            findings.add(
                .suspenseDiffers, [id], expected: should, found: has,
                "Of request \(id) \(should) were put in suspense, and \(has) were taken out.")
        }
    }
}

/// The transfers of bundles that were looked at before. Requests of about the same time share the same ones.
private struct BundleLines {
    /// Some six rows each.
    private static let most = 2000

    private var known: [String: [TransferRow]] = [:]

    mutating func lines(of share: ShareRow, _ view: any LedgerView) throws -> [TransferRow] {
        let key = share.posting + "/" + String(share.bundle)
        if let lines = known[key] { return lines }
        if known.count == Self.most { known = [:] }
        let lines = try view.lines(of: share.posting, bundle: share.bundle)
        known[key] = lines
        return lines
    }
}

private enum SuspendedReason {
    static let late = "late"
}
