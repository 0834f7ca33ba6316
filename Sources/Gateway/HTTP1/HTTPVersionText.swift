/// `HTTP/1.0` and `HTTP/1.1`: the versions that are spoken here.
enum HTTPVersionText {
    static let length = 8
    private static let name: StaticString = "HTTP/1."

    /// Whether bytes, the first of a line that has no end yet, can go on to a version.
    static func mayBegin(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let known = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        return zip(bytes, known).allSatisfy { $0 == $1 }
    }

    /// - Parameter text: `length` bytes.
    static func isBeforeOneOne(_ text: UnsafeRawBufferPointer) throws(MessageFault) -> Bool {
        guard text.count == length, mayBegin(text) else { throw .startLine }
        switch text[length - 1] {
        case UInt8(ascii: "0"): return true
        case UInt8(ascii: "1"): return false
        default: throw .version
        }
    }
}
