package import Kernel

/// What the second version of a posting's digest is the seal of: every field of its transfers, in half the bytes of the
/// first. Each field is of a fixed length or has its length before it, and a byte before each transfer says which of
/// those are there that may be absent; so no two different lists of transfers have the same bytes.
package struct PostingForm {
    package static let version: UInt8 = 2

    package let bytes: [UInt8]

    package init(_ posting: PostingID, _ transfers: [Transfer]) {
        let most = transfers.reduce(25) { $0 + 91 + $1.id.text.utf8.count + $1.amount.asset.text.utf8.count }
        bytes = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
            var writer = FormWriter(UnsafeMutableRawBufferPointer(buffer))
            writer.add(Self.version)
            writer.add(posting.ulid)
            writer.add(UInt64(transfers.count))
            for transfer in transfers { writer.add(transfer) }
            count = writer.count
        }
    }
}

/// Fills memory that has room for everything.
private struct FormWriter {
    private let buffer: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    mutating func add(_ transfer: Transfer) {
        add(UInt8(transfer.escrow == nil ? 0 : 1) | (transfer.request == nil ? 0 : 2))
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
