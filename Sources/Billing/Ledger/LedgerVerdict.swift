/// One thing that is not as it must be.
package struct LedgerFinding: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// A row that says something impossible.
        case unreadable
        /// The transfers of a posting are not those that were sealed.
        case postingChanged = "posting_changed"
        case transferMissing = "transfer_missing"
        case transferAdded = "transfer_added"
        /// Something names a posting that is not there.
        case postingMissing = "posting_missing"
        /// A posting that has no place in the chain, and waits for none.
        case postingUnlinked = "posting_unlinked"
        /// A link, or the posting that it links, is not what was sealed.
        case linkChanged = "link_changed"
        case linkMissing = "link_missing"
        /// Another link stands where a known one was.
        case linkReplaced = "link_replaced"
        /// The chain ends before a link that is known to have been there.
        case chainCut = "chain_cut"
        /// What is known from outside the database is itself gone or damaged.
        case unanchored
        case accountMissing = "account_missing"
        /// A transfer that is shown to another tenant than the one it belongs to.
        case ownerDiffers = "owner_differs"
        case assetMismatch = "asset_mismatch"
        /// What an account's row says is not what its transfers sum to.
        case sumsDiffer = "sums_differ"
        /// More was taken from an account than it may give.
        case guardPassed = "guard_passed"
        case assetUnbalanced = "asset_unbalanced"
        /// What an escrow's row says is not what its transfers leave.
        case escrowDiffers = "escrow_differs"
        case escrowMissing = "escrow_missing"
        /// More was posted and given back than was set aside.
        case escrowOverdrawn = "escrow_overdrawn"
        /// Set aside for a node whose right ended long ago.
        case escrowStale = "escrow_stale"
        /// A request's charges are not its price.
        case chargeDiffers = "charge_differs"
        /// What one transfer carries for several requests is not what their usage rows have in it.
        case bundleDiffers = "bundle_differs"
        /// What was booked as its cost is not what its usage row says.
        case costDiffers = "cost_differs"
        case settledTwice = "settled_twice"
        /// A request was charged that has no usage row.
        case usageMissing = "usage_missing"
        case suspenseMissing = "suspense_missing"
        case suspenseDiffers = "suspense_differs"
    }

    package let kind: Kind
    /// Identifiers of what it is about, the first one most of all.
    package let subjects: [String]
    package let expected: String?
    package let found: String?
    /// One sentence.
    package let message: String

    package init(
        _ kind: Kind, _ subjects: [String], expected: String? = nil, found: String? = nil, _ message: String
    ) {
        self.kind = kind
        self.subjects = subjects
        self.expected = expected
        self.found = found
        self.message = message
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(kind, forKey: .kind)
        try members.encode(subjects, forKey: .subjects)
        try members.encode(expected, forKey: .expected)
        try members.encode(found, forKey: .found)
        try members.encode(message, forKey: .message)
    }
}

/// What a recomputation of the whole ledger came to.
package struct LedgerVerdict: Sendable, Hashable, Codable {
    package let ok: Bool
    package let postings: Int64
    package let transfers: Int64
    package let accounts: Int64
    package let escrows: Int64
    /// Usage rows.
    package let requests: Int64
    package let links: Int64
    /// Postings that wait for their place in the chain; usually those of the last second.
    package let waiting: Int64
    /// The link that is anchored outside the database; nil when there is none here.
    package let anchored: Int64?
    /// Those that are told one by one.
    package let findings: [LedgerFinding]
    /// Findings beyond those.
    package let more: Int64

    private enum CodingKeys: String, CodingKey {
        case ok, postings, transfers, accounts, escrows, requests, links, waiting, anchored, findings, more
    }

    package init(_ counts: LedgerCounts, anchored: Int64?, findings: LedgerFindings) {
        ok = findings.all.isEmpty
        postings = counts.postings
        transfers = counts.transfers
        accounts = counts.accounts
        escrows = counts.escrows
        requests = counts.requests
        links = counts.links
        waiting = counts.waiting
        self.anchored = anchored
        self.findings = findings.all
        more = findings.more
    }

    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(ok, forKey: .ok)
        try members.encode(postings, forKey: .postings)
        try members.encode(transfers, forKey: .transfers)
        try members.encode(accounts, forKey: .accounts)
        try members.encode(escrows, forKey: .escrows)
        try members.encode(requests, forKey: .requests)
        try members.encode(links, forKey: .links)
        try members.encode(waiting, forKey: .waiting)
        try members.encode(anchored, forKey: .anchored)
        try members.encode(findings, forKey: .findings)
        try members.encode(more, forKey: .more)
    }
}

/// How much was looked at.
package struct LedgerCounts: Sendable, Hashable {
    package var postings: Int64 = 0
    package var transfers: Int64 = 0
    package var accounts: Int64 = 0
    package var escrows: Int64 = 0
    package var requests: Int64 = 0
    package var links: Int64 = 0
    package var waiting: Int64 = 0

    package init() {}
}

/// Findings, as many as anybody reads; the others are counted. Of each kind some are kept, whatever came before.
package struct LedgerFindings: Sendable {
    package static let most = 200
    private static let mostOfKind = 50

    package private(set) var all: [LedgerFinding] = []
    package private(set) var more: Int64 = 0
    private var kept: [LedgerFinding.Kind: Int] = [:]

    package init() {}

    mutating func add(_ finding: LedgerFinding) {
        let count = kept[finding.kind, default: 0]
        // A kind's first finding is always kept.
        guard count == 0 || (count < Self.mostOfKind && all.count < Self.most) else { return more += 1 }
        kept[finding.kind] = count + 1
        all.append(finding)
    }

    mutating func add(_ others: LedgerFindings) {
        for finding in others.all { add(finding) }
        more += others.more
    }

    mutating func add(
        _ kind: LedgerFinding.Kind, _ subjects: [String?], expected: String? = nil, found: String? = nil,
        _ message: String
    ) {
        add(LedgerFinding(kind, subjects.compactMap { $0 }, expected: expected, found: found, message))
    }
}
