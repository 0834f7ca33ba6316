package import Kernel

package struct TransferRow: Sendable, Hashable {
    package enum Order: Sendable, Hashable, CaseIterable { case posting, debit, credit, request }

    package var id: String
    package var posting: String
    package var place: Int64
    package var kind: String
    package var reason: String
    package var debit: String
    package var credit: String
    package var asset: String
    package var amount: Int64
    package var escrow: String?
    package var request: String?
    /// Whose it is: its debit account's owner, else its credit account's.
    package var tenant: String?
    package var workspace: String?
    package var accepted: Instant
    package var posted: Instant
    package var bundle: BundleLine?

    package init(
        id: String, posting: String, place: Int64, kind: String, reason: String, debit: String, credit: String,
        asset: String, amount: Int64, escrow: String?, request: String?, tenant: String?, workspace: String?,
        accepted: Instant, posted: Instant, bundle: BundleLine? = nil
    ) {
        self.id = id
        self.posting = posting
        self.place = place
        self.kind = kind
        self.reason = reason
        self.debit = debit
        self.credit = credit
        self.asset = asset
        self.amount = amount
        self.escrow = escrow
        self.request = request
        self.tenant = tenant
        self.workspace = workspace
        self.accepted = accepted
        self.posted = posted
        self.bundle = bundle
    }

    package init(
        _ transfer: Transfer, posting: PostingID, place: Int64, tenant: TenantID?, workspace: WorkspaceID?,
        posted: Instant
    ) {
        self.init(
            id: transfer.id.text, posting: "\(posting)", place: place, kind: transfer.kind.rawValue,
            reason: transfer.reason.rawValue, debit: "\(transfer.debit)", credit: "\(transfer.credit)",
            asset: transfer.amount.asset.text, amount: transfer.amount.units,
            escrow: transfer.escrow.map { "\($0)" }, request: transfer.request.map { "\($0)" },
            tenant: tenant.map { "\($0)" }, workspace: workspace.map { "\($0)" }, accepted: transfer.accepted,
            posted: posted, bundle: transfer.bundle)
    }

    /// The transfer, when the row says exactly what one would have been stored as.
    package var transfer: Transfer? {
        guard let kind = Transfer.Kind(rawValue: kind), let reason = Transfer.Reason(rawValue: reason),
            let debit = AccountID(debit), let credit = AccountID(credit), let asset = Asset(asset)
        else { return nil }
        let transfer = Transfer(
            id: TransferID(id), kind: kind, reason: reason, debit: debit, credit: credit,
            amount: Amount(units: amount, asset), escrow: escrow.flatMap { EscrowID($0) },
            request: request.flatMap { RequestID($0) }, accepted: accepted, bundle: bundle)
        guard "\(debit)" == self.debit, "\(credit)" == self.credit, transfer.escrow.map({ "\($0)" }) == escrow,
            transfer.request.map({ "\($0)" }) == request
        else { return nil }
        return transfer
    }
}

package struct PostingRow: Sendable, Hashable {
    package let id: String
    package let transfers: Int64
    package let digest: [UInt8]
    package let posted: Instant
    /// It has a place in the chain, or waits for one.
    package let isLinked: Bool
    package let isWaiting: Bool

    package init(
        id: String, transfers: Int64, digest: [UInt8], posted: Instant, isLinked: Bool, isWaiting: Bool
    ) {
        self.id = id
        self.transfers = transfers
        self.digest = digest
        self.posted = posted
        self.isLinked = isLinked
        self.isWaiting = isWaiting
    }
}

package struct LinkRow: Sendable, Hashable {
    package let number: Int64
    package let posting: String
    package let previous: [UInt8]
    package let seal: [UInt8]
    /// What it links; nil when that is gone.
    package let content: Posting?

    package init(number: Int64, posting: String, previous: [UInt8], seal: [UInt8], content: Posting?) {
        self.number = number
        self.posting = posting
        self.previous = previous
        self.seal = seal
        self.content = content
    }
}

package struct AccountRow: Sendable, Hashable {
    package let id: String
    package let kind: String
    package let asset: String
    package let subject: String
    package let tenant: String?
    package let workspace: String?
    package let limit: Int64?
    /// The most that the limit has ever been: a budget that was lowered below what was spent of it broke no rule.
    package let highestLimit: Int64?
    package let sums: AccountSums

    package init(
        id: String, kind: String, asset: String, subject: String, tenant: String?, workspace: String?,
        limit: Int64?, highestLimit: Int64?, sums: AccountSums
    ) {
        self.id = id
        self.kind = kind
        self.asset = asset
        self.subject = subject
        self.tenant = tenant
        self.workspace = workspace
        self.limit = limit
        self.highestLimit = highestLimit
        self.sums = sums
    }

    /// As `Account.keepsSums`.
    var keepsSums: Bool { limit != nil || kind == Account.Kind.budget.rawValue }
}

package struct EscrowRow: Sendable, Hashable {
    package let id: String
    package let account: String
    package let node: String
    package let remaining: Int64
    /// When its node's right to spend ends, or ended; nil when no such node is known.
    package let expires: Instant?
    /// Nothing is taken from it any more.
    package let hasEnded: Bool

    package init(
        id: String, account: String, node: String, remaining: Int64, expires: Instant?, hasEnded: Bool = false
    ) {
        self.id = id
        self.account = account
        self.node = node
        self.remaining = remaining
        self.expires = expires
        self.hasEnded = hasEnded
    }
}

/// What a usage row says of money.
package struct ChargeRow: Sendable, Hashable {
    package let request: String
    /// `free`, `charged` or `suspended`.
    package let state: String
    package let price: Int64?
    package let currency: String?
    package let cost: Int64?
    package let costCurrency: String?
    package let tenant: String?
    package let workspace: String
    /// What it has in a bundle.
    package let share: ShareRow?
    package let started: Instant

    package init(
        request: String, state: String, price: Int64?, currency: String?, cost: Int64?, costCurrency: String?,
        tenant: String?, workspace: String, share: ShareRow?, started: Instant
    ) {
        self.request = request
        self.state = state
        self.price = price
        self.currency = currency
        self.cost = cost
        self.costCurrency = costCurrency
        self.tenant = tenant
        self.workspace = workspace
        self.share = share
        self.started = started
    }
}

/// What a usage row says that its request has in a bundle.
package struct ShareRow: Sendable, Hashable {
    package let request: String
    package let posting: String
    package let bundle: Int64
    /// Line by line; nil where there is none. As many as a usage row has room for.
    package let amounts: [Int64?]

    package init(request: String, posting: String, bundle: Int64, amounts: [Int64?]) {
        self.request = request
        self.posting = posting
        self.bundle = bundle
        self.amounts = amounts
    }

    /// The share, when the row says exactly what one would have been stored as.
    var share: BundleShare? {
        let whole = amounts.prefix { $0 != nil }.compactMap { $0 }
        guard let id = RequestID(request), "\(id)" == request, !whole.isEmpty,
            amounts.dropFirst(whole.count).allSatisfy({ $0 == nil }), let bundle = Int(exactly: bundle)
        else { return nil }
        return BundleShare(request: id, bundle: bundle, amounts: whole)
    }
}

package struct SuspendedRow: Sendable, Hashable {
    package let request: String
    /// `unpriced`, `late` or `overflow`.
    package let reason: String
    package let amount: Int64?
    package let currency: String?
    package let isResolved: Bool

    package init(request: String, reason: String, amount: Int64?, currency: String?, isResolved: Bool) {
        self.request = request
        self.reason = reason
        self.amount = amount
        self.currency = currency
        self.isResolved = isResolved
    }
}
