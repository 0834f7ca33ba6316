import Kernel

/// Each posting beside its transfers, and beside the shares that usage rows have in its bundles.
struct PostingCheck {
    let sealer: any LedgerSealer
    let page: Int

    func run(over view: any LedgerView, _ counts: inout LedgerCounts, _ findings: inout LedgerFindings) throws {
        var postings = Pages(of: page, view.postings)
        var transfers = Pages(of: page) { try view.transfers(in: .posting, after: $0, limit: $1) }
        var usage = Pages(of: page, view.shares)
        while let id = try [postings.peek()?.id, transfers.peek()?.posting, usage.peek()?.posting]
            .compactMap({ $0 }).min()
        {
            let posting = try postings.next { $0.id == id }
            // One more than there should be is enough to know.
            let most = (posting?.transfers ?? 0) + 1
            var rows: [TransferRow] = []
            var count: Int64 = 0
            while let row = try transfers.next(if: { $0.posting == id }) {
                count += 1
                if count <= max(most, 16) { rows.append(row) }
                note(row, posting, &findings)
            }
            counts.transfers += count
            let mostShares = Self.shares(of: rows)
            var shares: [ShareRow] = []
            while let share = try usage.next(if: { $0.posting == id }) {
                if shares.count < mostShares { shares.append(share) }
            }
            guard let posting else {
                let subjects = rows.prefix(16).map(\.id) + shares.prefix(16).map(\.request)
                findings.add(
                    .postingMissing, [id] + subjects, expected: "a posting", found: "none",
                    "Posting \(id), which \(Self.transfers(count)) and \(Self.requests(shares.count)) name as theirs, "
                        + "is not there.")
                continue
            }
            counts.postings += 1
            check(posting, rows, shares, count, &findings)
            if rows.count == Int(count) { BundleCheck(posting: id, rows, shares).run(&findings) }
        }
        let waiting = try view.waiting()
        counts.waiting = Int64(waiting.count)
        for id in waiting.withoutPosting {
            findings.add(
                .postingMissing, [id], expected: "a posting", found: "none",
                "Posting \(id) waits for its place in the chain and is not there.")
        }
    }

    private func note(_ row: TransferRow, _ posting: PostingRow?, _ findings: inout LedgerFindings) {
        if row.transfer == nil {
            findings.add(
                .unreadable, [row.id, row.posting],
                "Transfer \(row.id) says something that no transfer can say, such as a kind, an asset or an "
                    + "identifier that does not exist.")
        }
        if row.amount < 1 {
            findings.add(
                .unreadable, [row.id, row.posting], expected: "an amount above 0", found: "\(row.amount)",
                "Transfer \(row.id) moves \(row.amount).")
        }
        if let posting, posting.posted != row.posted {
            findings.add(
                .postingChanged, [row.id, row.posting], expected: "\(posting.posted)", found: "\(row.posted)",
                "Transfer \(row.id) says that it was posted at another time than its posting \(row.posting).")
        }
        if let request = row.request, !row.id.utf8.starts(with: (request + "/").utf8) {
            findings.add(
                .unreadable, [row.id, row.posting, request], expected: "\(request)/…", found: row.id,
                "Transfer \(row.id) is of request \(request), and is not named after it.")
        }
        let hasEscrow = row.escrow != nil
        if hasEscrow == (row.kind == Transfer.Kind.posted.rawValue) {
            findings.add(
                .unreadable, [row.id, row.posting],
                "Transfer \(row.id) is of kind \(row.kind) and \(hasEscrow ? "names an" : "names no") escrow.")
        }
    }

    private func check(
        _ posting: PostingRow, _ rows: [TransferRow], _ shares: [ShareRow], _ count: Int64,
        _ findings: inout LedgerFindings
    ) {
        if !posting.isLinked, !posting.isWaiting {
            findings.add(
                .postingUnlinked, [posting.id], expected: "a place in the chain", found: "none",
                "Posting \(posting.id) has no place in the chain, and does not wait for one.")
        }
        let expected = Self.transfers(posting.transfers)
        guard rows.isEmpty || count <= posting.transfers else {
            findings.add(
                .transferAdded, [posting.id] + Self.strangers(rows, posting.transfers), expected: expected,
                found: Self.transfers(count),
                "Posting \(posting.id) was sealed with \(expected) and has \(count): some were added.")
            return
        }
        guard count == posting.transfers else {
            let places = Set(rows.map(\.place))
            let gaps = (0..<min(posting.transfers, 10_000)).filter { !places.contains($0) }
            findings.add(
                .transferMissing, [posting.id], expected: expected, found: Self.transfers(count),
                "Posting \(posting.id) was sealed with \(expected) and has \(count): "
                    + "those at the places \(gaps.prefix(16).map(String.init).joined(separator: ", ")) are gone.")
            return
        }
        guard !holds(posting, rows, shares) else { return }
        let parts = shares.isEmpty ? "" : ", what \(Self.requests(shares.count)) have in them,"
        findings.add(
            .postingChanged, [posting.id] + rows.prefix(16).map(\.id), expected: "what was sealed",
            found: "something else",
            "The \(expected) of posting \(posting.id)\(parts) or its digest are not what was sealed: one was changed, "
                + "or put in another's place.")
    }

    private func holds(_ posting: PostingRow, _ rows: [TransferRow], _ usage: [ShareRow]) -> Bool {
        let transfers = rows.compactMap(\.transfer)
        let shares = usage.compactMap(\.share)
        guard let id = PostingID(posting.id), "\(id)" == posting.id, transfers.count == rows.count,
            shares.count == usage.count, rows.enumerated().allSatisfy({ $0.element.place == Int64($0.offset) })
        else { return false }
        return LedgerChain.holds(posting.digest, of: id, transfers, shares: shares, by: sealer)
    }

    /// Those at places that were not there, or that are taken twice.
    private static func strangers(_ rows: [TransferRow], _ count: Int64) -> [String] {
        var taken: Set<Int64> = []
        return rows.filter { $0.place < 0 || $0.place >= count || !taken.insert($0.place).inserted }
            .prefix(16).map(\.id)
    }

    /// How many shares a posting's bundles have, and a few more, which are enough to know that there are too many.
    private static func shares(of rows: [TransferRow]) -> Int {
        var most: [Int: Int] = [:]
        for line in rows.lazy.compactMap(\.bundle) {
            most[line.bundle] = max(most[line.bundle] ?? 0, min(line.requests, mostRequests))
        }
        return min(most.values.reduce(0, +), mostRequests) + 16
    }

    /// No batch has as many.
    private static let mostRequests = 100_000

    private static func requests(_ count: Int) -> String { count == 1 ? "1 request" : "\(count) requests" }

    private static func transfers(_ count: Int64) -> String { count == 1 ? "1 transfer" : "\(count) transfers" }
}
