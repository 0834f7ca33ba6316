package import Kernel

/// What a posting's digest is the seal of: every field of its transfers, and of the shares that requests have in those
/// of bundles. Each field is of a fixed length or has its length before it, and a byte before each transfer says which
/// of those are there that may be absent; so no two different postings have the same bytes.
///
/// A posting without bundles is of version 2, which says the same in half the bytes of the first; else of version 3.
package struct PostingForm {
    package let version: UInt8
    package let bytes: [UInt8]

    /// - Parameter shares: in the order of their requests.
    package init(_ posting: PostingID, _ transfers: [Transfer], shares: [BundleShare] = []) {
        let isBundled = !shares.isEmpty || transfers.contains { $0.bundle != nil }
        let version: UInt8 = isBundled ? 3 : 2
        let most = transfers.reduce(25) { $0 + 115 + $1.id.length + $1.amount.asset.text.utf8.count }
        let mostOfShares = shares.reduce(8) { $0 + 25 + $1.amounts.count * 8 }
        bytes = [UInt8](unsafeUninitializedCapacity: most + mostOfShares) { buffer, count in
            var writer = FormWriter(UnsafeMutableRawBufferPointer(buffer))
            writer.add(version)
            writer.add(posting.ulid)
            writer.add(UInt64(transfers.count))
            for transfer in transfers { writer.add(transfer) }
            if isBundled {
                writer.add(UInt64(shares.count))
                for share in shares { writer.add(share) }
            }
            count = writer.count
        }
        self.version = version
    }
}

/// Fills memory that has room for everything.
private struct FormWriter {
    private let buffer: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    mutating func add(_ transfer: Transfer) {
        add(
            UInt8(transfer.escrow == nil ? 0 : 1) | (transfer.request == nil ? 0 : 2)
                | (transfer.bundle == nil ? 0 : 4))
        add(transfer.kind.sealed)
        add(transfer.reason.sealed)
        add(transfer.id.text)
        add(transfer.debit.ulid)
        add(transfer.credit.ulid)
        if let escrow = transfer.escrow { add(escrow.ulid) }
        if let request = transfer.request { add(request.ulid) }
        add(transfer.amount.asset.text)
        add(UInt64(bitPattern: transfer.amount.units))
        add(UInt64(bitPattern: transfer.accepted.microseconds))
        guard let bundle = transfer.bundle else { return }
        add(UInt64(bitPattern: Int64(bundle.bundle)))
        add(UInt64(bitPattern: Int64(bundle.line)))
        add(UInt64(bitPattern: Int64(bundle.requests)))
    }

    mutating func add(_ share: BundleShare) {
        add(share.request.ulid)
        add(UInt64(bitPattern: Int64(share.bundle)))
        add(UInt8(clamping: share.amounts.count))
        for amount in share.amounts { add(UInt64(bitPattern: amount)) }
    }

    mutating func add(_ id: ULID) {
        add(id.high)
        add(id.low)
    }

    mutating func add(_ number: some FixedWidthInteger) {
        let bytes = number.bitWidth / 8
        withUnsafeBytes(of: number.bigEndian) {
            UnsafeMutableRawBufferPointer(rebasing: buffer[count..<count + bytes]).copyMemory(from: $0)
        }
        count += bytes
    }

    private mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { text in
            add(UInt32(clamping: text.count))
            UnsafeMutableRawBufferPointer(rebasing: buffer[count..<count + text.count])
                .copyMemory(from: UnsafeRawBufferPointer(text))
            count += text.count
        }
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
