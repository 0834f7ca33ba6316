import Database

/// Bytes in one column.
struct Bytes: SQLRepresentable {
    static var sqlName: String { "bytes" }

    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var sqlValue: SQLValue { .blob(bytes) }

    init?(sqlValue: SQLValue) {
        guard case .blob(let bytes) = sqlValue else { return nil }
        self.bytes = bytes
    }
}
