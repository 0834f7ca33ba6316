import Kernel

/// The transfers of a posting's bundles beside what usage rows have in them.
struct BundleCheck {
    private let posting: String
    private let lines: [TransferRow]
    private let shares: [Int64: [ShareRow]]

    init(posting: String, _ rows: [TransferRow], _ shares: [ShareRow]) {
        self.posting = posting
        lines = rows.filter { $0.bundle != nil }
        self.shares = Dictionary(grouping: shares, by: \.bundle)
    }

    func run(_ findings: inout LedgerFindings) {
        for row in lines {
            guard let line = row.bundle else { continue }
            let members = shares[Int64(line.bundle)] ?? []
            let amounts = members.map { $0.amounts.indices.contains(line.line) ? $0.amounts[line.line] : nil }
            let sum = amounts.reduce(Int128(0)) { $0 + Int128($1 ?? 0) }
            let count = amounts.count { $0 != nil }
            guard sum != Int128(row.amount) || count != line.requests else { continue }
            let (has, should) = (Spoken.amount(sum, row.asset), Spoken.amount(Int128(row.amount), row.asset))
            findings.add(
                .bundleDiffers, [row.id, posting], expected: "\(should) for \(line.requests) requests",
                found: "\(has) for \(count)",
                "Transfer \(row.id) carries \(should) for \(line.requests) requests, and the usage rows of \(count) "
                    + "say that they have \(has) in it.")
        }
        let known = Set(lines.compactMap { $0.bundle.map { Int64($0.bundle) } })
        for (bundle, members) in shares.sorted(by: { $0.key < $1.key }) where !known.contains(bundle) {
            findings.add(
                .bundleDiffers, [posting] + members.prefix(16).map(\.request), expected: "a bundle", found: "none",
                "Bundle \(bundle) of posting \(posting), of which \(members.count) usage rows say that they are, has "
                    + "no transfers.")
        }
    }
}

extension ShareRow {
    /// What the request has in each line, as rows of its own.
    func rows(in lines: [TransferRow], accepted: Instant) -> [TransferRow] {
        lines.compactMap { line in
            guard let place = line.bundle?.line, amounts.indices.contains(place), let amount = amounts[place] else {
                return nil
            }
            var row = line
            row.id = request + "/" + TransferRow.name(line.id)
            row.amount = amount
            row.request = request
            row.accepted = accepted
            row.bundle = nil
            return row
        }
    }
}

extension TransferRow {
    /// What follows posting and bundle in the identifier of a bundle's transfer.
    package static func name(_ id: String) -> String {
        id.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).dropFirst(2).joined()
    }
}
