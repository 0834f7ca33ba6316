import NIOCore

/// Reads what an upstream answers: bytes in, in any portions, events out. It does no I/O and knows no clock.
///
/// One answer after the other: after `end` the next one begins. Until then whoever asked for one answer looks at
/// `hasMore`: bytes behind an answer that nobody asked for leave no doubt that the two sides disagree.
struct ResponseParser {
    enum Event: Equatable {
        case head(ResponseHead)
        /// A part of the body, without any framing.
        case body(ByteBuffer)
        case end
        /// More bytes are needed for the next one.
        case incomplete
    }

    private enum Stage {
        case start
        case fields(StatusLine, FieldReader)
        case body(BodyReader)
    }

    private struct StatusLine {
        let status: Int
        let isBeforeOneOne: Bool
    }

    /// Answers before the answer (1xx), which are passed over.
    private static let mostInformational = 16

    private let limits: FieldReader.Limits
    private var input = ByteBuffer()
    private var stage = Stage.start
    private var informational = 0

    init(limits: FieldReader.Limits = FieldReader.Limits()) { self.limits = limits }

    /// Whether bytes were fed that belong to no event yet.
    var hasMore: Bool { input.readableBytes > 0 }
    /// Whether an answer has begun that has not ended.
    var isWithin: Bool { if case .start = stage { hasMore || informational > 0 } else { true } }

    mutating func feed(_ bytes: ByteBuffer) {
        guard hasMore else { return input = bytes }
        input.discardReadBytes()
        input.writeImmutableBuffer(bytes)
    }

    /// After a fault the parser is of no use any more.
    mutating func next() throws(MessageFault) -> Event {
        while true {
            switch stage {
            case .start:
                guard let line = try readStart() else { return .incomplete }
                stage = .fields(line, FieldReader(limits))
            case .fields(let line, var reader):
                guard let fields = try reader.next(&input) else {
                    stage = .fields(line, reader)
                    return .incomplete
                }
                guard let head = try begin(line, reader.framing, fields) else { continue }
                return .head(head)
            case .body(var reader):
                let piece = try reader.next(&input)
                stage = piece == .end ? .start : .body(reader)
                switch piece {
                case .bytes(let bytes): return .body(bytes)
                case .end: return .end
                case nil:
                    // The memory of the last read goes back to the channel.
                    if !hasMore { input = ByteBuffer() }
                    return .incomplete
                }
            }
        }
    }

    /// The connection has ended.
    /// - Returns: `end`, where that is the end of the answer's body.
    mutating func finish() -> Event? {
        guard case .body(let reader) = stage, reader.endsWithConnection else { return nil }
        stage = .start
        return .end
    }

    /// - Returns: nil for an answer before the answer.
    private mutating func begin(
        _ line: StatusLine, _ framing: MessageFraming, _ fields: HeaderFields
    ) throws(MessageFault) -> ResponseHead? {
        if line.status < 200 {
            informational += 1
            // A change of protocol was never asked for.
            guard line.status != 101, informational <= Self.mostInformational else { throw .informational }
            stage = .start
            return nil
        }
        informational = 0
        guard !framing.isChunked || !line.isBeforeOneOne else { throw .transferEncoding }
        let body = Self.body(status: line.status, framing)
        stage = .body(BodyReader(body, limits: limits))
        return ResponseHead(
            status: line.status, fields: fields, contentLength: framing.contentLength,
            isPersistent: body != .untilClose && framing.isPersistent(isBeforeOneOne: line.isBeforeOneOne))
    }

    private static func body(status: Int, _ framing: MessageFraming) -> BodyReader.Framing {
        if status == 204 || status == 304 { return .none }
        if framing.isChunked { return .chunked }
        return framing.contentLength.map { .length($0) } ?? .untilClose
    }

    private mutating func readStart() throws(MessageFault) -> StatusLine? {
        let limit = limits
        let read = input.withUnsafeReadableBytes { bytes in
            Result(catching: { () throws(MessageFault) in try Self.statusLine(in: bytes, limit) })
        }
        guard let (line, length) = try read.get() else { return nil }
        input.moveReaderIndex(forwardBy: length)
        return line
    }

    /// - Returns: the first line and its length; nil while it has no end.
    private static func statusLine(
        in bytes: UnsafeRawBufferPointer, _ limits: FieldReader.Limits
    ) throws(MessageFault) -> (StatusLine, Int)? {
        guard let end = findByte(UInt8(ascii: "\n"), in: bytes) else {
            // What cannot become a status line is not waited for.
            guard bytes.count < limits.bytes else { throw .headTooLarge }
            guard HTTPVersionText.mayBegin(bytes) else { throw .startLine }
            return nil
        }
        guard end < limits.bytes else { throw .headTooLarge }
        var line = UnsafeRawBufferPointer(rebasing: bytes[..<end])
        if line.last == UInt8(ascii: "\r") {
            line = UnsafeRawBufferPointer(rebasing: line.dropLast())
        } else if !limits.allowsBareLineFeed {
            throw .startLine
        }
        let digits = HTTPVersionText.length + 1
        guard line.count >= digits + 3, line[digits - 1] == UInt8(ascii: " "),
            let status = FieldText.number(UnsafeRawBufferPointer(rebasing: line[digits..<(digits + 3)])), status >= 100
        else { throw .startLine }
        // The reason may be missing with its blank: some servers write no more than the number.
        let reason = UnsafeRawBufferPointer(rebasing: line[(digits + 3)...])
        guard reason.isEmpty || reason[0] == UInt8(ascii: " "), FieldText.isText(reason) else { throw .startLine }
        let isBeforeOneOne = try HTTPVersionText.isBeforeOneOne(
            UnsafeRawBufferPointer(rebasing: line[..<HTTPVersionText.length]))
        return (StatusLine(status: status, isBeforeOneOne: isBeforeOneOne), end + 1)
    }
}

/// The head of an upstream's answer, as far as anybody asks.
struct ResponseHead: Equatable {
    let status: Int
    let fields: HeaderFields
    let contentLength: Int?
    /// Whether the connection can serve another request after this answer.
    let isPersistent: Bool

    var contentType: String? { fields.first(name: "content-type") }
    /// As the upstream writes it: seconds, or a date.
    var retryAfter: String? { fields.first(name: "retry-after") }
}
