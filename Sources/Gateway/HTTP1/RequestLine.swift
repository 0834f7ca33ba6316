import NIOHTTP1

/// The first line of a request (RFC 9112, section 3).
struct RequestLine {
    let method: HTTPMethod
    let target: String
    let version: HTTPVersion

    private static let longestMethod = 20

    /// - Returns: the line and its length in bytes; nil while it has no end.
    static func read(
        _ bytes: UnsafeRawBufferPointer, _ limits: FieldReader.Limits
    ) throws(MessageFault) -> (RequestLine, Int)? {
        guard let end = findByte(UInt8(ascii: "\n"), in: bytes) else {
            guard bytes.count < limits.bytes else { throw .headTooLarge }
            // What cannot become a request line is not waited for: TLS on a port without, for one.
            let method = bytes.prefix { FieldText.isToken($0) }
            guard method.count <= longestMethod, method.count == bytes.count || bytes[method.count] == 0x20 else {
                throw .startLine
            }
            return nil
        }
        guard end < limits.bytes else { throw .headTooLarge }
        guard end > 0, bytes[end - 1] == UInt8(ascii: "\r") else { throw .startLine }
        let line = UnsafeRawBufferPointer(rebasing: bytes[..<(end - 1)])
        guard let first = findByte(0x20, in: line) else { throw .startLine }
        let afterMethod = UnsafeRawBufferPointer(rebasing: line[(first + 1)...])
        guard let second = findByte(0x20, in: afterMethod) else { throw .startLine }
        // In their order, so that a line in pieces fails as the whole one does.
        let method = try method(UnsafeRawBufferPointer(rebasing: line[..<first]))
        let target = try target(UnsafeRawBufferPointer(rebasing: afterMethod[..<second]))
        let isBeforeOneOne = try HTTPVersionText.isBeforeOneOne(
            UnsafeRawBufferPointer(rebasing: afterMethod[(second + 1)...]))
        let version: HTTPVersion = isBeforeOneOne ? .http1_0 : .http1_1
        return (RequestLine(method: method, target: target, version: version), end + 1)
    }

    private static func method(_ bytes: UnsafeRawBufferPointer) throws(MessageFault) -> HTTPMethod {
        // NIO's own search compares with some thirty names.
        if bytes.elementsEqual("POST".utf8) { return .POST }
        if bytes.elementsEqual("GET".utf8) { return .GET }
        guard FieldText.isToken(bytes), bytes.count <= longestMethod else { throw .startLine }
        let method = HTTPMethod(rawValue: String(decoding: bytes, as: UTF8.self))
        // Behind it comes what is no HTTP, and nobody here is a tunnel.
        guard method != .CONNECT else { throw .startLine }
        return method
    }

    /// A path with its query, a whole address, or `*`.
    private static func target(_ bytes: UnsafeRawBufferPointer) throws(MessageFault) -> String {
        var isBad = false
        for byte in bytes { isBad = isBad || byte <= 0x20 || byte >= 0x7F }
        guard !isBad, let first = bytes.first else { throw .startLine }
        if first == UInt8(ascii: "/") { return String(decoding: bytes, as: UTF8.self) }
        let isAddress = ["http://", "https://"].contains { scheme in
            bytes.count > scheme.utf8.count && bytes.prefix(scheme.utf8.count).elementsEqual(scheme.utf8)
        }
        guard isAddress || first == UInt8(ascii: "*") && bytes.count == 1 else {
            throw .startLine
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
