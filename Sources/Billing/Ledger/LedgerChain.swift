package import Kernel

/// A keyed hash whose key is not in the database: whoever can write there cannot make a ledger that verifies.
package protocol LedgerSealer: Sendable {
    /// 32 bytes.
    func seal(_ bytes: [UInt8]) -> [UInt8]
}

/// How the ledger holds together. What one transaction adds is a posting: its digest covers every transfer in it. Each
/// link of the chain covers the link before and one posting. Links are added afterwards, so that those who post do not
/// wait for each other.
package enum LedgerChain {
    /// What the seal before the first link is taken to be.
    package static let beginning = [UInt8](repeating: 0, count: 32)

    /// A posting's digest: the version of its form, and the seal of what its transfers and shares say. The first
    /// version has no number before it.
    /// - Parameters:
    ///   - transfers: in their places, from 0.
    ///   - shares: of requests in its bundles, in the order of the requests.
    package static func digest(
        of posting: PostingID, _ transfers: [Transfer], shares: [BundleShare] = [], by sealer: any LedgerSealer
    ) -> [UInt8] {
        let form = PostingForm(posting, transfers, shares: shares)
        return [form.version] + sealer.seal(form.bytes)
    }

    /// Whether a digest, of whatever version, is what these transfers and shares have.
    package static func holds(
        _ digest: [UInt8], of posting: PostingID, _ transfers: [Transfer], shares: [BundleShare] = [],
        by sealer: any LedgerSealer
    ) -> Bool {
        digest == self.digest(of: posting, transfers, shares: shares, by: sealer)
            || shares.isEmpty && digest == sealer.seal(firstForm(posting: posting, transfers: transfers))
    }

    /// What the first version of a digest is the seal of.
    package static func firstForm(posting: PostingID, transfers: [Transfer]) -> [UInt8] {
        var form = CanonicalForm(version: 1, reserving: 64 + transfers.count * 280)
        form.add(posting.ulid)
        form.add(Int64(transfers.count))
        for transfer in transfers {
            form.add(transfer.id.text)
            form.add(transfer.kind.rawValue)
            form.add(transfer.reason.rawValue)
            form.add(transfer.debit.ulid)
            form.add(transfer.credit.ulid)
            form.add(transfer.amount.asset.text)
            form.add(transfer.amount.units)
            form.add(transfer.escrow?.ulid)
            form.add(transfer.request?.ulid)
            form.add(transfer.accepted.microseconds)
        }
        return form.bytes
    }

    /// What a link's seal is the seal of.
    /// - Parameters:
    ///   - number: the link's place in the chain, from 1.
    ///   - previous: the seal of the link before; `beginning` for the first.
    package static func linkForm(number: Int64, previous: [UInt8], posting: Posting) -> [UInt8] {
        var form = CanonicalForm(version: 1)
        form.add(previous)
        form.add(number)
        form.add(posting.id.ulid)
        form.add(posting.transfers)
        form.add(posting.digest)
        form.add(posting.posted.microseconds)
        return form.bytes
    }
}

/// What one transaction added to the ledger.
package struct Posting: Sendable, Hashable {
    package let id: PostingID
    /// How many.
    package let transfers: Int64
    package let digest: [UInt8]
    package let posted: Instant

    package init(id: PostingID, transfers: Int64, digest: [UInt8], posted: Instant) {
        self.id = id
        self.transfers = transfers
        self.digest = digest
        self.posted = posted
    }
}

/// A posting's place in the chain.
package struct LedgerLink: Sendable, Hashable {
    /// 1, 2, 3 …
    package let number: Int64
    package let posting: PostingID
    package let previous: [UInt8]
    package let seal: [UInt8]

    package init(number: Int64, posting: PostingID, previous: [UInt8], seal: [UInt8]) {
        self.number = number
        self.posting = posting
        self.previous = previous
        self.seal = seal
    }

    package init(number: Int64, previous: [UInt8], posting: Posting, sealer: some LedgerSealer) {
        let form = LedgerChain.linkForm(number: number, previous: previous, posting: posting)
        self.init(number: number, posting: posting.id, previous: previous, seal: sealer.seal(form))
    }
}
