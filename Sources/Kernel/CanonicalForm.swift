/// Bytes to be hashed or sealed: no two different lists of fields have the same ones. Every field has its length before
/// it, and an absent one differs from an empty one. The first byte is the version of the list of fields.
public struct CanonicalForm: Sendable {
    public private(set) var bytes: [UInt8]

    public init(version: UInt8, reserving capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(version)
    }

    /// A mark for a field that is there, eight bytes of length, then its bytes; another mark for one that is not.
    public mutating func add(_ field: [UInt8]?) {
        guard let field else { return bytes.append(0) }
        begin(field.count)
        bytes.append(contentsOf: field)
    }

    public mutating func add(_ text: String?) {
        guard let text else { return bytes.append(0) }
        begin(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    public mutating func add(_ number: Int64) {
        begin(8)
        append(UInt64(bitPattern: number))
    }

    public mutating func add(_ id: ULID?) {
        guard let id else { return bytes.append(0) }
        begin(16)
        append(id.high)
        append(id.low)
    }

    private mutating func begin(_ length: Int) {
        bytes.append(1)
        append(UInt64(length))
    }

    private mutating func append(_ number: UInt64) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
