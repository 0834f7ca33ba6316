import CPostgres
import Database

/// What the server answered to one statement.
final class QueryResult {
    private let handle: OpaquePointer

    init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { PQclear(handle) }

    var status: ExecStatusType { PQresultStatus(handle) }

    /// The statement's name and figures, as in `INSERT 0 1`.
    var tag: String { PQcmdStatus(handle).map { String(cString: $0) } ?? "" }

    var error: ServerError? {
        switch status {
        case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR: ServerError(handle)
        default: nil
        }
    }

    /// How many rows were inserted, updated or deleted.
    var changedRows: Int {
        if tag.hasPrefix("SELECT") { return 0 }
        return PQcmdTuples(handle).flatMap { Int(String(cString: $0)) } ?? 0
    }

    /// The first column of the first row.
    var scalar: String? {
        guard PQntuples(handle) > 0, PQnfields(handle) > 0, PQgetisnull(handle, 0, 0) == 0 else { return nil }
        return PQgetvalue(handle, 0, 0).map { String(cString: $0) }
    }

    func rows() throws(DatabaseFailure) -> [Row] {
        let width = PQnfields(handle)
        let columns = (0..<width).map { PQfname(handle, $0).map { String(cString: $0) } ?? "" }
        var rows: [Row] = []
        rows.reserveCapacity(Int(PQntuples(handle)))
        for row in 0..<PQntuples(handle) {
            var values: [SQLValue] = []
            values.reserveCapacity(columns.count)
            for column in 0..<width { values.append(try value(row, column)) }
            rows.append(Row(columns: columns, values: values))
        }
        return rows
    }

    private func value(_ row: Int32, _ column: Int32) throws(DatabaseFailure) -> SQLValue {
        guard PQgetisnull(handle, row, column) == 0, let start = PQgetvalue(handle, row, column) else { return .null }
        let text = UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(handle, row, column)))
        typealias TypeID = Parameters.TypeID
        switch PQftype(handle, column) {
        case TypeID.int8, TypeID.int4, TypeID.int2, TypeID.numeric:
            // A sum of integers is a numeric. It is one of ours when it fits; a fraction has no place in our values.
            guard let number = Int64(String(decoding: text, as: UTF8.self)) else {
                throw .statement("a numeric result is no 64-bit integer; CAST it in the statement")
            }
            return .integer(number)
        case TypeID.bool: return .integer(text.first == UInt8(ascii: "t") ? 1 : 0)
        case TypeID.float8, TypeID.float4:
            guard let number = Double(String(decoding: text, as: UTF8.self)) else {
                throw .corrupt("the server sent a number that is none")
            }
            return .real(number)
        case TypeID.text, TypeID.varchar, TypeID.character, TypeID.name, TypeID.unknown:
            return .text(String(decoding: text, as: UTF8.self))
        case TypeID.bytea:
            guard let bytes = unhexed(text) else { throw .corrupt("the server sent bytes that are none") }
            return .blob(bytes)
        case let other:
            throw .statement("a result has the type \(other), which no value of ours has; CAST it in the statement")
        }
    }

    /// Reads `\x00ff…`, the only form that a session of ours is sent.
    private func unhexed(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        func digit(_ byte: UInt8) -> UInt8? {
            switch byte {
            case 0x30...0x39: byte - 0x30
            case 0x61...0x66: byte - 0x61 + 10
            default: nil
            }
        }
        guard text.count >= 2, text.count.isMultiple(of: 2), text[0] == 0x5C, text[1] == 0x78 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 2 - 1)
        for index in stride(from: 2, to: text.count, by: 2) {
            guard let high = digit(text[index]), let low = digit(text[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}
