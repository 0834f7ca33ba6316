package import Kernel

/// What the second version of a posting's digest is the seal of: every field of its transfers, in half the bytes of the
/// first. Each field is of a fixed length or has its length before it, and a byte before each transfer says which of
/// those are there that may be absent; so no two different lists of transfers have the same bytes.
package struct PostingForm {
    package static let version: UInt8 = 2

    package private(set) var bytes: [UInt8]

    package init(_ posting: PostingID, _ transfers: [Transfer]) {
        bytes = [Self.version]
        bytes.reserveCapacity(32 + transfers.count * 144)
        add(posting.ulid)
        add(UInt64(transfers.count))
        for transfer in transfers { add(transfer) }
    }

    private mutating func add(_ transfer: Transfer) {
        bytes.append((transfer.escrow == nil ? 0 : 1) | (transfer.request == nil ? 0 : 2))
        bytes.append(transfer.kind.sealed)
        bytes.append(transfer.reason.sealed)
        add(transfer.id.text)
        add(transfer.debit.ulid)
        add(transfer.credit.ulid)
        if let escrow = transfer.escrow { add(escrow.ulid) }
        if let request = transfer.request { add(request.ulid) }
        add(transfer.amount.asset.text)
        add(UInt64(bitPattern: transfer.amount.units))
        add(UInt64(bitPattern: transfer.accepted.microseconds))
    }

    private mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { text in
            // Rows that somebody changed may say anything.
            withUnsafeBytes(of: UInt32(clamping: text.count).bigEndian) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: text)
        }
    }

    private mutating func add(_ id: ULID) {
        add(id.high)
        add(id.low)
    }

    private mutating func add(_ number: UInt64) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }
}

extension Transfer.Kind {
    /// Never given to another one.
    fileprivate var sealed: UInt8 {
        switch self {
        case .posted: 1
        case .pending: 2
        case .post: 3
        case .void: 4
        case .expire: 5
        }
    }
}

extension Transfer.Reason {
    /// Never given to another one.
    fileprivate var sealed: UInt8 {
        switch self {
        case .charge: 1
        case .count: 2
        case .cost: 3
        case .excess: 4
        case .suspense: 5
        case .resolution: 6
        case .grant: 7
        case .lapse: 8
        case .escrow: 9
        case .writeOff: 10
        case .roll: 11
        case .reversal: 12
        case .adjustment: 13
        }
    }
}
