import NIOCore

/// Reads a message's body in whatever portions it comes. Its bytes are slices of the input: nothing is copied.
struct BodyReader {
    enum Framing: Equatable {
        case none, length(Int), chunked
        /// To the end of the connection.
        case untilClose
    }

    enum Piece: Equatable {
        case bytes(ByteBuffer), end
    }

    private enum Stage {
        case length(Int), untilClose
        case chunkSize, chunk(Int), chunkEnd
        case trailers(FieldReader)
        case ended
    }

    /// Of a chunk's size with its extension, which nobody needs.
    private static let longestSize = 1024

    private let limits: FieldReader.Limits
    private var stage: Stage

    /// - Parameter limits: of the trailers.
    init(_ framing: Framing, limits: FieldReader.Limits) {
        self.limits = limits
        stage =
            switch framing {
            case .none: .ended
            case .length(let length): length == 0 ? .ended : .length(length)
            case .chunked: .chunkSize
            case .untilClose: .untilClose
            }
    }

    /// Whether the end of the connection is the end of the body.
    var endsWithConnection: Bool { if case .untilClose = stage { true } else { false } }

    /// - Returns: nil when more bytes are needed.
    mutating func next(_ input: inout ByteBuffer) throws(MessageFault) -> Piece? {
        while true {
            switch stage {
            case .ended: return .end
            case .untilClose: return take(Int.max, &input).map { .bytes($0) }
            case .length(let left):
                guard let bytes = take(left, &input) else { return nil }
                stage = bytes.readableBytes == left ? .ended : .length(left - bytes.readableBytes)
                return .bytes(bytes)
            case .chunkSize:
                guard let size = try readSize(&input) else { return nil }
                stage = size == 0 ? .trailers(FieldReader(limits, isTrailer: true)) : .chunk(size)
            case .chunk(let left):
                guard let bytes = take(left, &input) else { return nil }
                stage = bytes.readableBytes == left ? .chunkEnd : .chunk(left - bytes.readableBytes)
                return .bytes(bytes)
            case .chunkEnd:
                guard try readChunkEnd(&input) else { return nil }
                stage = .chunkSize
            case .trailers(var reader):
                let isOver = try reader.next(&input) != nil
                stage = isOver ? .ended : .trailers(reader)
                guard isOver else { return nil }
            }
        }
    }

    private func take(_ most: Int, _ input: inout ByteBuffer) -> ByteBuffer? {
        let count = min(most, input.readableBytes)
        return count == 0 ? nil : input.readSlice(length: count)
    }

    private func readChunkEnd(_ input: inout ByteBuffer) throws(MessageFault) -> Bool {
        // Unlike a field's line, a chunk's ends with both, always.
        if let first = input.getInteger(at: input.readerIndex, as: UInt8.self), first != UInt8(ascii: "\r") {
            throw .chunk
        }
        guard let end = input.getInteger(at: input.readerIndex, as: UInt16.self) else { return false }
        guard end == 0x0D0A else { throw .chunk }
        input.moveReaderIndex(forwardBy: 2)
        return true
    }

    private func readSize(_ input: inout ByteBuffer) throws(MessageFault) -> Int? {
        let read = input.withUnsafeReadableBytes { bytes in
            Result(catching: { () throws(MessageFault) in try Self.size(in: bytes) })
        }
        guard let (size, length) = try read.get() else { return nil }
        input.moveReaderIndex(forwardBy: length)
        return size
    }

    /// - Returns: the size that a chunk's first line says, and the line's length; nil while the line has no end.
    private static func size(in bytes: UnsafeRawBufferPointer) throws(MessageFault) -> (Int, Int)? {
        var (size, digits) = (0, 0)
        while digits < bytes.count, let digit = hexadecimalDigit(bytes[digits]) {
            // Fifteen digits cannot overflow, and no chunk is that large.
            guard digits < 15 else { throw .chunk }
            size = size << 4 | Int(digit)
            digits += 1
        }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[digits...])
        guard let next = rest.first else { return nil }
        guard digits > 0 else { throw .chunk }
        // What most senders write.
        if next == UInt8(ascii: "\r"), rest.count > 1 {
            guard rest[1] == UInt8(ascii: "\n") else { throw .chunk }
            return (size, digits + 2)
        }
        guard let end = findByte(UInt8(ascii: "\n"), in: rest) else {
            guard bytes.count < longestSize else { throw .chunk }
            return nil
        }
        guard digits + end < longestSize, end > 0, rest[end - 1] == UInt8(ascii: "\r") else { throw .chunk }
        try check(extension: UnsafeRawBufferPointer(rebasing: rest[..<(end - 1)]))
        return (size, digits + end + 1)
    }

    /// Nothing, or blanks, a semicolon and text that means nothing here.
    private static func check(extension bytes: UnsafeRawBufferPointer) throws(MessageFault) {
        guard let first = bytes.first(where: { !FieldText.isBlank($0) }) else {
            guard bytes.isEmpty else { throw .chunk }
            return
        }
        let name = bytes.first { !FieldText.isBlank($0) && $0 != UInt8(ascii: ";") }
        guard first == UInt8(ascii: ";"), let name, FieldText.isToken(name), FieldText.isText(bytes) else {
            throw .chunk
        }
    }
}
