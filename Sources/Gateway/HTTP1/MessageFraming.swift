/// What a head's fields say of where its message ends, and whether another may follow on the connection.
///
/// A message that says it twice, or both ways, is refused: two readers in a row that choose differently let a second
/// message hide in the first (RFC 9112, section 6.3 and 11.2).
struct MessageFraming: Equatable {
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private(set) var saysClose = false
    private(set) var saysKeepAlive = false
    /// Lines with the name `host`.
    private(set) var hosts = 0

    /// - Parameter value: trimmed.
    mutating func note(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) throws(MessageFault) {
        // By length first: few names are as long as one of these.
        switch name.count {
        case 4 where FieldText.isSame(name, "host"): hosts += 1
        case 10 where FieldText.isSame(name, "connection"): noteConnection(value)
        case 14 where FieldText.isSame(name, "content-length"):
            guard contentLength == nil, !isChunked, let length = FieldText.number(value) else { throw .contentLength }
            contentLength = length
        case 17 where FieldText.isSame(name, "transfer-encoding"):
            guard contentLength == nil else { throw .contentLength }
            guard !isChunked, FieldText.isSame(value, "chunked") else { throw .transferEncoding }
            isChunked = true
        default: break
        }
    }

    /// Whether the connection can serve another message, as far as the sender says.
    func isPersistent(isBeforeOneOne: Bool) -> Bool { !saysClose && (!isBeforeOneOne || saysKeepAlive) }

    private mutating func noteConnection(_ value: UnsafeRawBufferPointer) {
        FieldText.eachMember(of: value) { member in
            if FieldText.isSame(member, "close") { saysClose = true }
            if FieldText.isSame(member, "keep-alive") { saysKeepAlive = true }
        }
    }
}
