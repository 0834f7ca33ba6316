import Kernel

/// Recomputes the whole ledger from its transfers, and tells what does not agree with them.
///
/// It walks over the transfers four times, in the order of postings, of debited accounts, of credited accounts and of
/// requests, each time beside what is to agree with them. So it holds a page of each of the tables it walks over, the
/// sums of one account and its escrows, one posting's transfers and shares or one request's transfers, the lines of
/// some bundles, and the findings, whatever the size of the ledger.
package struct LedgerVerification: Sendable {
    private let postings: any LedgerSealer
    private let links: any LedgerSealer
    private let grace: Duration
    private let page: Int

    /// - Parameters:
    ///   - postings: seals the digests of postings.
    ///   - links: seals the links of the chain.
    ///   - grace: how long after its node's right has ended an escrow may be there; the time after which it is written
    ///     off, and some more.
    ///   - page: how many rows of a table are read at once.
    package init(postings: any LedgerSealer, links: any LedgerSealer, grace: Duration, page: Int = 1000) {
        self.postings = postings
        self.links = links
        self.grace = grace
        self.page = page
    }

    /// - Parameters:
    ///   - anchor: the last link that is known from outside the database, read before the view was opened.
    ///   - complaints: what is wrong with what is kept outside the database.
    package func verdict(
        on view: any LedgerView, anchor: LedgerHead?, complaints: [String]
    ) throws -> LedgerVerdict {
        var findings = LedgerFindings()
        var counts = LedgerCounts()
        for complaint in complaints { findings.add(.unanchored, [], complaint) }
        try PostingCheck(sealer: postings, page: page).run(over: view, &counts, &findings)
        try checkChain(view, anchor, &counts, &findings)
        try AccountCheck(grace: grace, page: page).run(over: view, &counts, &findings)
        try RequestCheck(page: page).run(over: view, &counts, &findings)
        return LedgerVerdict(counts, anchored: anchor?.number, findings: findings)
    }

    private func checkChain(
        _ view: any LedgerView, _ anchor: LedgerHead?, _ counts: inout LedgerCounts, _ findings: inout LedgerFindings
    ) throws {
        var pages = Pages(of: page, view.links)
        var verification = LinkVerification(sealer: links, anchor: anchor)
        while let link = try pages.next() { verification.take(link) }
        verification.finish()
        counts.links = verification.count
        findings.add(verification.findings)
    }
}

/// The last link of the chain, as it is anchored outside the database.
package struct LedgerHead: Sendable, Hashable {
    package let number: Int64
    package let seal: [UInt8]

    package init(number: Int64, seal: [UInt8]) {
        self.number = number
        self.seal = seal
    }
}

/// Where the chain's head is kept apart from the database, so that an end that was cut off is missed.
package protocol LedgerAnchors: Sendable {
    /// Durable when it returns. Heads may come in any order, and more than once.
    func anchor(_ head: LedgerHead) async throws
    /// The highest that was ever anchored here.
    func head() async throws -> LedgerHead?
    /// What is wrong with the anchors themselves, such as that they are gone: one sentence for each finding.
    func complaints() async throws -> [String]
}

/// Rows one by one, read page by page.
struct Pages<Row> {
    private let load: (Row?, Int) throws -> [Row]
    private let size: Int
    private var page: ArraySlice<Row> = []
    private var last: Row?
    private var isAtEnd = false

    /// - Parameter load: the page after a row; the first one for nil. A short page is the last one.
    init(of size: Int, _ load: @escaping (Row?, Int) throws -> [Row]) {
        self.load = load
        self.size = size
    }

    mutating func peek() throws -> Row? {
        if page.isEmpty, !isAtEnd {
            page = try load(last, size)[...]
            isAtEnd = page.count < size
            last = page.last ?? last
        }
        return page.first
    }

    mutating func next() throws -> Row? {
        guard try peek() != nil else { return nil }
        return page.removeFirst()
    }

    /// The next row, if it fulfils the condition.
    mutating func next(if condition: (Row) -> Bool) throws -> Row? {
        guard let row = try peek(), condition(row) else { return nil }
        return page.removeFirst()
    }
}

/// Sums in words. Sums of rows that somebody changed may be beyond what an amount holds.
enum Spoken {
    static func amount(_ units: Int128, _ asset: String) -> String {
        guard let known = Asset(asset) else { return "\(units) of \(asset)" }
        guard known.scale > 0 else { return "\(units) \(asset)" }
        let digits = String(units.magnitude)
        let padded = String(repeating: "0", count: max(0, known.scale + 1 - digits.count)) + digits
        let whole = padded.dropLast(known.scale)
        var fraction = padded.suffix(known.scale)
        while fraction.count > 2, fraction.last == "0" { fraction.removeLast() }
        return (units < 0 ? "-" : "") + whole + "." + fraction + " " + asset
    }
}
