import NIOCore
import NIOHTTP1

/// Reads what a client sends: bytes in, in any portions, events out. It does no I/O and knows no clock.
///
/// Requests that follow each other on a connection stay in the input until they are asked for: whoever answers one asks
/// for the next only then.
struct RequestParser {
    enum Event: Equatable {
        case head(RequestHead)
        /// A part of the body, without any framing.
        case body(ByteBuffer)
        case end
        /// More bytes are needed for the next one.
        case incomplete
    }

    private enum Stage {
        case start
        case fields(RequestLine, FieldReader)
        case body(BodyReader)
    }

    private let limits: FieldReader.Limits
    private var input = ByteBuffer()
    private var stage = Stage.start

    /// - Parameter maximumHead: bytes of the request line, of all fields, and of the trailers.
    init(maximumHead: Int) { limits = FieldReader.Limits(bytes: maximumHead, allowsBareLineFeed: false) }

    /// Whether bytes were fed that belong to no event yet.
    var hasMore: Bool { input.readableBytes > 0 }
    /// Whether a request has begun that has not ended.
    var isWithin: Bool { if case .start = stage { hasMore } else { true } }

    mutating func feed(_ bytes: ByteBuffer) {
        guard hasMore else { return input = bytes }
        input.discardReadBytes()
        input.writeImmutableBuffer(bytes)
    }

    /// After a fault the parser is of no use any more.
    mutating func next() throws(MessageFault) -> Event {
        let event = try read()
        // The memory of the last read goes back to the channel.
        if case .incomplete = event, !hasMore { input = ByteBuffer() }
        return event
    }

    private mutating func read() throws(MessageFault) -> Event {
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
                return .head(try begin(line, reader.framing, fields))
            case .body(var reader):
                let piece = try reader.next(&input)
                stage = piece == .end ? .start : .body(reader)
                switch piece {
                case .bytes(let bytes): return .body(bytes)
                case .end: return .end
                case nil: return .incomplete
                }
            }
        }
    }

    private mutating func begin(
        _ line: RequestLine, _ framing: MessageFraming, _ fields: HeaderFields
    ) throws(MessageFault) -> RequestHead {
        let isOld = line.version.isBeforeOneOne
        // HTTP/1.0 has no chunks: what a proxy of that age made of them is unknown.
        guard !framing.isChunked || !isOld else { throw .transferEncoding }
        guard framing.hosts <= 1 else { throw .host }
        let body: BodyReader.Framing =
            framing.isChunked ? .chunked : framing.contentLength.map { .length($0) } ?? .none
        stage = .body(BodyReader(body, limits: limits))
        return RequestHead(
            version: line.version, method: line.method, uri: line.target, headers: fields,
            contentLength: framing.contentLength, isKeepAlive: framing.isPersistent(isBeforeOneOne: isOld))
    }

    private mutating func readStart() throws(MessageFault) -> RequestLine? {
        // Empty lines before a request: some old clients write one behind a body.
        while let first = input.getInteger(at: input.readerIndex, as: UInt8.self),
            first == UInt8(ascii: "\r") || first == UInt8(ascii: "\n")
        {
            if first == UInt8(ascii: "\r"), input.readableBytes < 2 { return nil }
            guard input.readInteger(as: UInt16.self) == 0x0D0A else { throw .startLine }
        }
        let limits = limits
        let read = input.withUnsafeReadableBytes { bytes in
            Result(catching: { () throws(MessageFault) in try RequestLine.read(bytes, limits) })
        }
        guard let (line, length) = try read.get() else { return nil }
        input.moveReaderIndex(forwardBy: length)
        return line
    }
}

/// The head of a client's request. Its names are those of NIO's head, which is made of it for the control plane only.
struct RequestHead: Equatable {
    let version: HTTPVersion
    let method: HTTPMethod
    /// As it stood on the wire.
    let uri: String
    let headers: HeaderFields
    let contentLength: Int?
    /// Whether the client lets another request follow on the connection.
    let isKeepAlive: Bool

    /// The same as NIO's part, with all fields as texts.
    var whole: HTTPRequestHead {
        var fields: [(String, String)] = []
        headers.forEach { fields.append(($0, $1)) }
        return HTTPRequestHead(version: version, method: method, uri: uri, headers: HTTPHeaders(fields))
    }
}
