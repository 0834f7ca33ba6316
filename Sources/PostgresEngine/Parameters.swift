import CPostgres
import Database

/// The arguments of one statement as libpq takes them. Text format, since that is the same for every width of integer;
/// bytes as they are.
struct Parameters {
    /// What the server is told about each argument. NULL has no type of its own: 0, and the server infers it.
    private(set) var types: [Oid] = []
    private var bytes: [UInt8] = []
    private var offsets: [Int?] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []

    enum TypeID {
        static let bool: Oid = 16
        static let bytea: Oid = 17
        static let int8: Oid = 20
        static let int2: Oid = 21
        static let int4: Oid = 23
        static let text: Oid = 25
        static let float4: Oid = 700
        static let float8: Oid = 701
        static let unknown: Oid = 705
        static let name: Oid = 19
        static let character: Oid = 1042
        static let varchar: Oid = 1043
        static let numeric: Oid = 1700
    }

    init(_ values: [SQLValue]) throws(SessionFailure) {
        reserve(values.count)
        for value in values {
            switch value {
            case .null: addNull()
            case .integer(let number): add(number)
            case .real(let number): add(TypeID.float8, String(number).utf8)
            case .text(let text): try add(text: text.utf8)
            case .blob(let blob): add(TypeID.bytea, blob, isBinary: true)
            }
        }
    }

    /// Cells of a block.
    init(_ rows: RowBlock, _ range: Range<Int>) throws(SessionFailure) {
        reserve(range.count)
        for cell in rows.cells[range] {
            switch cell {
            case .null: addNull()
            case .integer(let number): add(number)
            case .text(let stretch): try add(text: rows.bytes[stretch.range])
            case .blob(let stretch): add(TypeID.bytea, rows.bytes[stretch.range], isBinary: true)
            }
        }
    }

    private mutating func reserve(_ count: Int) {
        types.reserveCapacity(count)
        offsets.reserveCapacity(count)
        lengths.reserveCapacity(count)
        formats.reserveCapacity(count)
        bytes.reserveCapacity(count * 24)
    }

    private mutating func addNull() {
        types.append(0)
        offsets.append(nil)
        lengths.append(0)
        formats.append(0)
    }

    /// An integer is declared as one: left to itself, the server takes `$1 + 30` for 32 bits.
    private mutating func add(_ number: Int64) { add(TypeID.int8, String(number).utf8) }

    private mutating func add(text: some Collection<UInt8>) throws(SessionFailure) {
        let begin = bytes.count
        add(TypeID.text, text)
        // It would end the text there, in silence.
        if bytes[begin..<bytes.count - 1].contains(0) {
            throw .unsendable("PostgreSQL stores no text with a zero byte")
        }
    }

    private mutating func add(_ type: Oid, _ value: some Collection<UInt8>, isBinary: Bool = false) {
        types.append(type)
        offsets.append(bytes.count)
        bytes.append(contentsOf: value)
        lengths.append(Int32(clamping: value.count))
        formats.append(isBinary ? 1 : 0)
        bytes.append(0)
    }

    var count: Int32 { Int32(types.count) }

    /// Calls libpq with values, lengths and formats; the pointers live as long as the call.
    func withPointers<R>(
        _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> R
    ) -> R {
        bytes.withUnsafeBytes { buffer in
            let base = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            let pointers = offsets.map { offset in offset.flatMap { offset in base.map { $0 + offset } } }
            return pointers.withUnsafeBufferPointer { values in
                lengths.withUnsafeBufferPointer { lengths in
                    formats.withUnsafeBufferPointer { formats in
                        body(values.baseAddress, lengths.baseAddress, formats.baseAddress)
                    }
                }
            }
        }
    }
}
