package import Kernel

/// The caller's key to repeat a transfer: the same id with the same content is posted once, with other content is a
/// conflict. At most 96 bytes of `A-Z a-z 0-9 _ - / : .`. Those of a request begin with its identifier and a `/`: by
/// that they are found.
package struct TransferID: Hashable, Sendable {
    package let text: String
    package init(_ text: String) { self.text = text }

    package func isNamed(after request: RequestID) -> Bool {
        var text = text
        return text.withUTF8 { text in
            let length = RequestID.length
            guard text.count > length + 1, text[length] == UInt8(ascii: "/") else { return false }
            return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length) { start in
                request.write(to: start)
                return text[..<length].elementsEqual(start)
            }
        }
    }
}

/// A movement between two accounts of one asset. Written once, never changed.
package struct Transfer: Sendable, Hashable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        case posted
        /// Sets an amount of the debit account aside, in an escrow.
        case pending
        /// Takes a part of what an escrow holds.
        case post
        /// Gives a part of it back.
        case void
        /// Gives back what was left when its time was over.
        case expire
    }

    /// Why money moved; for statements and for `verify`.
    package enum Reason: String, Sendable, Codable, CaseIterable {
        /// A request's price.
        case charge
        /// What a request counts in a budget.
        case count
        /// What a request costs us.
        case cost
        /// Actual above hold.
        case excess
        /// A charge that had no place.
        case suspense
        /// A suspended charge that found its place.
        case resolution
        case grant
        /// Unused credit at its end.
        case lapse
        /// Taken by a node, or given back.
        case escrow
        case writeOff = "write_off"
        /// What leaves a rolling budget's window.
        case roll
        /// Taken back by hand.
        case reversal
        case adjustment
    }

    package let id: TransferID
    package let kind: Kind
    package let reason: Reason
    package let debit: AccountID
    package let credit: AccountID
    /// Positive.
    package let amount: Amount
    /// Of every kind but `posted`.
    package let escrow: EscrowID?
    package let request: RequestID?
    /// When the request was accepted that it is for; else when it was made. Periods go by this.
    package let accepted: Instant

    package init(
        id: TransferID, kind: Kind = .posted, reason: Reason, debit: AccountID, credit: AccountID, amount: Amount,
        escrow: EscrowID? = nil, request: RequestID? = nil, accepted: Instant
    ) {
        self.id = id
        self.kind = kind
        self.reason = reason
        self.debit = debit
        self.credit = credit
        self.amount = amount
        self.escrow = escrow
        self.request = request
        self.accepted = accepted
    }
}

/// Transfers that post all or none.
package struct TransferGroup: Sendable, Hashable {
    package let transfers: [Transfer]
    package init(_ transfers: [Transfer]) { self.transfers = transfers }
}

/// What became of a group.
package enum PostingOutcome: Sendable, Hashable {
    case posted
    /// All of it was there with the same content.
    case repeated
    /// One of its ids is there with other content.
    case conflict(TransferID)
    /// An account has less available than the group takes from it.
    case insufficient(AccountID, available: Int64)
    /// An escrow holds less than is to be posted, or has ended.
    case escrowShort(EscrowID, remaining: Int64)
    /// It names an account that is not there, or one of another asset, or an amount below 1.
    case invalid(String)
}

/// The double-entry ledger. Throws `Problem(.storageUnavailable)`, `.storageFull`, `.overloaded`.
package protocol Ledger: Sendable {
    /// Makes accounts that are missing; those that are there stay as they are, but for a new `limit`.
    func open(_ accounts: [Account]) async throws
    /// Posts each group all or none, all that can be in one transaction; one outcome for each, in order. A repeat is
    /// harmless, so that whoever does not know how it ended asks again.
    func post(_ groups: [TransferGroup]) async throws -> [PostingOutcome]
    func account(_ id: AccountID) async throws -> (account: Account, sums: AccountSums)?
    /// A tenant's accounts, or one workspace's; the platform's for nil. With their sums as of now. Periods of budgets
    /// that are over, and of which nothing is set aside, are left out.
    func accounts(of tenant: TenantID?, workspace: WorkspaceID?) async throws -> [(account: Account, sums: AccountSums)]
    /// The transfers that touch an account, newest first.
    func transfers(of account: AccountID, page: PageRequest) async throws -> Page<Transfer>
    /// All transfers of a request, in the order of posting.
    func transfers(of request: RequestID) async throws -> [Transfer]
}
