import NIOCore

/// Reads header or trailer fields line by line until the empty line, in whatever portions they come.
///
/// A line is looked at once, when it is whole; what was read is left in the input until all of it can be taken.
struct FieldReader {
    struct Limits {
        /// Of all lines, and of a start line by itself.
        var bytes = 64 << 10
        var fields = 256
        /// RFC 9112, section 2.2, lets a reader take a line feed alone as the end of a start line or field. Servers
        /// behind us may write so; from clients it is refused, since not every proxy before us reads it that way.
        var allowsBareLineFeed = true
    }

    let limits: Limits
    private let isTrailer: Bool
    private(set) var framing = MessageFraming()
    private var names = NameMarks()
    /// Bytes of whole lines, and of those that hold no line feed.
    private var read = 0
    private var searched = 0
    private var fields = 0

    /// - Parameter isTrailer: whether the fields follow a body, and so may not say where it ends.
    init(_ limits: Limits, isTrailer: Bool = false) {
        self.limits = limits
        self.isTrailer = isTrailer
    }

    /// - Returns: the fields, taken from the input with the empty line; nil when more bytes are needed.
    mutating func next(_ input: inout ByteBuffer) throws(MessageFault) -> HeaderFields? {
        let scanned = input.withUnsafeReadableBytes { bytes in
            Result(catching: { () throws(MessageFault) in try scan(bytes) })
        }
        guard let empty = try scanned.get() else { return nil }
        let lines = input.readBytes(length: read) ?? []
        input.moveReaderIndex(forwardBy: empty)
        return HeaderFields(checked: lines, names: names)
    }

    /// - Returns: the length of the empty line that ends all.
    private mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(MessageFault) -> Int? {
        while let found = findByte(UInt8(ascii: "\n"), in: UnsafeRawBufferPointer(rebasing: bytes[searched...])) {
            let end = searched + found
            let line = UnsafeRawBufferPointer(rebasing: bytes[read..<end])
            guard end < limits.bytes else { throw .headTooLarge }
            let hasReturn = line.last == UInt8(ascii: "\r")
            guard hasReturn || limits.allowsBareLineFeed else { throw .field }
            if line.count == (hasReturn ? 1 : 0) { return line.count + 1 }
            guard fields < limits.fields else { throw .headTooLarge }
            try note(hasReturn ? UnsafeRawBufferPointer(rebasing: line.dropLast()) : line)
            fields += 1
            read = end + 1
            searched = read
        }
        searched = bytes.count
        guard searched < limits.bytes else { throw .headTooLarge }
        return nil
    }

    private mutating func note(_ line: UnsafeRawBufferPointer) throws(MessageFault) {
        // A line that begins with a blank goes on from the one before: nobody writes that any more, and readers differ.
        guard let colon = findByte(UInt8(ascii: ":"), in: line) else { throw .field }
        let name = UnsafeRawBufferPointer(rebasing: line[..<colon])
        let value = FieldText.value(of: line, after: colon)
        guard FieldText.isToken(name), FieldText.isText(value) else { throw .field }
        names.note(name)
        try framing.note(name: name, value: value)
        guard !isTrailer || (framing.contentLength == nil && !framing.isChunked) else { throw .field }
    }
}
