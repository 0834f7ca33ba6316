import CPostgres
import Database

/// The arguments of one statement as libpq takes them. Text format, since that is the same for every width of integer;
/// bytes as they are.
struct Parameters {
    /// What the server is told about each argument. NULL has no type of its own: 0, and the server infers it.
    let types: [Oid]
    private let bytes: [CChar]
    private let offsets: [Int?]
    private let lengths: [Int32]
    private let formats: [Int32]

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

    /// An integer is declared as one: left to itself, the server takes `$1 + 30` for 32 bits.
    init(_ values: [SQLValue]) throws(SessionFailure) {
        var types: [Oid] = []
        var bytes: [CChar] = []
        var offsets: [Int?] = []
        var lengths: [Int32] = []
        var formats: [Int32] = []
        for value in values {
            let begin = bytes.count
            var isBinary = false
            switch value {
            case .null: types.append(0)
            case .integer(let number):
                types.append(TypeID.int8)
                bytes.append(contentsOf: String(number).utf8.lazy.map(CChar.init(bitPattern:)))
            case .real(let number):
                types.append(TypeID.float8)
                bytes.append(contentsOf: String(number).utf8.lazy.map(CChar.init(bitPattern:)))
            case .text(let text):
                types.append(TypeID.text)
                bytes.append(contentsOf: text.utf8.lazy.map(CChar.init(bitPattern:)))
                // It would end the text there, in silence.
                if bytes[begin...].contains(0) { throw .unsendable("PostgreSQL stores no text with a zero byte") }
            case .blob(let blob):
                types.append(TypeID.bytea)
                bytes.append(contentsOf: blob.lazy.map(CChar.init(bitPattern:)))
                isBinary = true
            }
            offsets.append(value == .null ? nil : begin)
            lengths.append(Int32(clamping: bytes.count - begin))
            formats.append(isBinary ? 1 : 0)
            bytes.append(0)
        }
        self.types = types
        self.bytes = bytes
        self.offsets = offsets
        self.lengths = lengths
        self.formats = formats
    }

    var count: Int32 { Int32(types.count) }

    /// Calls libpq with values, lengths and formats; the pointers live as long as the call.
    func withPointers<R>(
        _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> R
    ) -> R {
        bytes.withUnsafeBufferPointer { buffer in
            let pointers = offsets.map { offset in
                offset.flatMap { offset in buffer.baseAddress.map { $0 + offset } }
            }
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
