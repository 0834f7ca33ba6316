package import Kernel

/// The caller's key to repeat a transfer: the same id with the same content is posted once, with other content is a
/// conflict. At most 96 bytes of `A-Z a-z 0-9 _ - / : .`. Those of a request begin with its identifier and a `/`: by
/// that they are found.
package struct TransferID: Hashable, Sendable {
    /// Whose it is, where it was made from its parts; so the thousands of a batch need no text of their own.
    private let request: RequestID?
    /// What follows the request and its `/`; else all of it.
    private let name: String

    package init(_ text: String) {
        request = nil
        name = text
    }

    /// `<request>/<name>`.
    package init(_ request: RequestID, _ name: String) {
        self.request = request
        self.name = name
    }

    package var text: String { request.map { $0.description + "/" + name } ?? name }

    /// Of the text, in bytes.
    package var length: Int { request == nil ? name.utf8.count : RequestID.length + 1 + name.utf8.count }

    package static func == (left: TransferID, right: TransferID) -> Bool {
        if left.request == right.request { return left.name == right.name }
        return (left.request == nil || right.request == nil) && left.text == right.text
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(text) }

    package func isNamed(after request: RequestID) -> Bool { name(in: request) != nil }

    /// What follows the request's identifier and a `/`; nil if it is not named after it.
    package func name(in request: RequestID) -> String? {
        if let own = self.request { return own == request && !name.isEmpty ? name : nil }
        let stem = request.description + "/"
        return name.hasPrefix(stem) && name.utf8.count > stem.utf8.count ? String(name.dropFirst(stem.count)) : nil
    }

    /// At most 96 bytes of `A-Z a-z 0-9 _ - / : .`.
    package var isWellFormed: Bool {
        var name = name
        let most = request == nil ? 96 : 95 - RequestID.length
        return name.withUTF8 { bytes in
            guard (1...most).contains(bytes.count) else { return false }
            return bytes.allSatisfy { byte in
                switch byte {
                // `-`, `.`, `/`, digits, `:`; letters; `_`.
                case 0x2D...0x3A, 0x41...0x5A, 0x61...0x7A, 0x5F: true
                default: false
                }
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
    /// When the request was accepted that it is for; of a bundle the first one; else when it was made.
    package let accepted: Instant
    /// Of one that carries the shares of several requests. It names none of them, and is accepted as the first was.
    package let bundle: BundleLine?

    package init(
        id: TransferID, kind: Kind = .posted, reason: Reason, debit: AccountID, credit: AccountID, amount: Amount,
        escrow: EscrowID? = nil, request: RequestID? = nil, accepted: Instant, bundle: BundleLine? = nil
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
        self.bundle = bundle
    }
}

/// A bundle is what several requests of one posting have in common: transfers that differ in amount alone. They are
/// posted as one transfer for each line, and each request's usage row says its shares.
package struct BundleLine: Hashable, Sendable {
    /// So many shares a usage row has room for.
    package static let most = 6

    /// Which bundle of its posting, from 0.
    package let bundle: Int
    /// Which of the requests' shares it is the sum of, from 0.
    package let line: Int
    package let requests: Int

    package init(bundle: Int, line: Int, requests: Int) {
        self.bundle = bundle
        self.line = line
        self.requests = requests
    }
}

/// What a request has in the transfers of a bundle.
package struct BundleShare: Hashable, Sendable {
    package let request: RequestID
    package let bundle: Int
    /// Line by line, at least one and at most `BundleLine.most`.
    package let amounts: [Int64]

    package init(request: RequestID, bundle: Int, amounts: [Int64]) {
        self.request = request
        self.bundle = bundle
        self.amounts = amounts
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
