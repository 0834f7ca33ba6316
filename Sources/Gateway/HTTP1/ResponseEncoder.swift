import Kernel
import NIOCore
import NIOHTTP1

/// Writes answers as HTTP/1, framed as NIO's encoder frames them.
///
/// What is small is gathered until it is flushed or somebody wants to know when it is written: head and body of a whole
/// answer, or size, event and end of a chunk, are one write and not three. Each write passes the pipeline and the
/// socket's queue, which costs more than the copy.
///
/// Hummingbird's answers come through the pipeline, in NIO's parts. The hot path calls `begin`, `add`, `end` and
/// `flush`, and makes no parts: its fields are bytes from the beginning.
final class ResponseEncoder: ChannelOutboundHandler, RemovableChannelHandler, HeldBack {
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = IOData

    /// A body, or a part of one, that is longer is passed on as it is.
    static let mostCopied = 8192

    private let memory: OutgoingMemory
    private let turn: LoopTurn?
    private var isHeldBack = false
    private var gathered: ByteBuffer?
    private var isChunked = false
    private var context: ChannelHandlerContext?

    /// - Parameter turn: says when bytes may go to the socket; at once without it.
    init(memory: OutgoingMemory = OutgoingMemory(), turn: LoopTurn? = nil) {
        self.memory = memory
        self.turn = turn
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    // MARK: The hot path

    /// The head of an answer.
    /// - Parameters:
    ///   - version: at most that of the request.
    ///   - length: of the body, in bytes; nil where it is not known yet.
    ///   - fields: adds all others.
    func begin(
        _ status: HTTPResponseStatus, _ version: HTTPVersion, length: Int?, _ fields: (inout FieldLines) -> Void
    ) {
        guard let context else { return }
        let framing = Framing(of: status, version, hasLength: length != nil)
        isChunked = framing == .chunked
        gather(context, Self.usualHead + min(length ?? 0, Self.mostCopied)) { bytes in
            var lines = FieldLines(into: consume bytes)
            let told = framing == .none ? nil : length
            if status == .ok, version == .http1_1 {
                lines.add(most: 64) { cursor in
                    cursor.put("HTTP/1.1 200 OK\r\n")
                    if let told { cursor.line("content-length", told) }
                }
            } else {
                lines.put(text: "HTTP/\(version.major).\(version.minor) \(status.code) \(status.reasonPhrase)\r\n")
                if let told { lines.add("content-length", told) }
            }
            fields(&lines)
            lines.put(isChunked ? "transfer-encoding: chunked\r\n\r\n" : "\r\n")
            bytes = lines.bytes
        }
    }

    /// Bytes that a head takes at most as a rule, and a short error's body with it.
    private static let usualHead = 768

    /// Room that a part of a body may have before its first byte, so that it need not be copied to become a chunk.
    static let chunkRoom = 10

    /// A body, or a part of one.
    func add(_ body: consuming ByteBuffer) {
        guard let context, body.readableBytes > 0 else { return }
        guard isChunked, gathered == nil, body.readerIndex >= Self.chunkRoom else {
            return put(body, context)
        }
        Self.frame(&body)
        gathered = body
    }

    /// Puts a chunk's size before the bytes, and its end behind them.
    private static func frame(_ body: inout ByteBuffer) {
        var (rest, start) = (body.readableBytes, body.readerIndex - 2)
        body.setInteger(UInt16(0x0D0A), at: start)
        repeat {
            start -= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            body.setInteger(digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10), at: start)
            rest >>= 4
        } while rest > 0
        body.moveReaderIndex(to: start)
        body.writeInteger(UInt16(0x0D0A))
    }

    /// - Parameter promise: completed when the socket has taken all of the answer.
    func end(_ promise: EventLoopPromise<Void>? = nil) {
        guard let context else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
        putEnd(nil, context)
        if let promise { pass(context, promise) }
    }

    /// Calls back when the socket has taken all that was written, or never will.
    func whenWritten(_ body: @escaping @Sendable () -> Void) {
        guard let context else { return body() }
        let promise = context.eventLoop.makePromise(of: Void.self)
        pass(context, promise)
        flush(context: context)
        promise.futureResult.whenComplete { _ in body() }
    }

    func flush() {
        guard let context else { return }
        flush(context: context)
    }

    // MARK: NIO's parts

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch Self.unwrapOutboundIn(data) {
        case .head(let head): put(head, context)
        case .body(.byteBuffer(let body)): put(body, context)
        case .body(let file): put(file, context)
        case .end(let trailers): putEnd(trailers, context)
        }
        if let promise { pass(context, promise) }
    }

    func flush(context: ChannelHandlerContext) {
        if isHeldBack { return }
        isHeldBack = turn.map { !$0.maySend(self) } ?? false
        if isHeldBack { return }
        pass(context)
        context.flush()
    }

    /// Whoever closes does not wait for the end of the turn, and what was flushed before goes out before.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if isHeldBack { sendNow() }
        context.close(mode: mode, promise: promise)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        gathered = nil
        isHeldBack = false
        self.context = nil
    }

    func sendHeldBack() {
        isHeldBack = false
        flush()
    }

    /// For the last bytes before a close, which does not wait for the end of the turn.
    func sendNow() {
        turn?.commit()
        sendHeldBack()
    }

    private func pass(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>) {
        let rest = gathered.take() ?? ByteBuffer()
        context.write(NIOAny(rest), promise: promise)
        memory.keep(rest)
    }

    private func pass(_ context: ChannelHandlerContext) {
        guard let bytes = gathered.take() else { return }
        context.write(NIOAny(bytes), promise: nil)
        memory.keep(bytes)
    }

    private func gather(_ context: ChannelHandlerContext, _ size: Int, _ body: (inout ByteBuffer) -> Void) {
        // Taken, so that it is appended to in place.
        var bytes = gathered.take() ?? memory.buffer(capacity: max(size, 1024))
        body(&bytes)
        gathered = bytes
    }

    // MARK: Head

    private func put(_ head: HTTPResponseHead, _ context: ChannelHandlerContext) {
        let framing = Framing(
            of: head.status, head.version, hasLength: head.headers.contains(name: "content-length"))
        isChunked = framing == .chunked
        var size = 96 + head.status.reasonPhrase.utf8.count
        for (name, value) in head.headers { size += name.utf8.count + value.utf8.count + 4 }
        gather(context, size + Self.mostCopied / 4) { bytes in
            bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { target in
                var text = TextTarget(target)
                text.putStatus(of: head)
                for (name, value) in head.headers where framing.keeps(name) {
                    text.put(name)
                    text.put(": ")
                    text.put(value)
                    text.put("\r\n")
                }
                text.put(isChunked ? "transfer-encoding: chunked\r\n\r\n" : "\r\n")
                return text.count
            }
        }
    }

    // MARK: Body

    private func put(_ body: ByteBuffer, _ context: ChannelHandlerContext) {
        let count = body.readableBytes
        guard count <= Self.mostCopied else { return put(IOData.byteBuffer(body), context) }
        // An empty chunk would be the last one.
        guard count > 0 else { return }
        putSize(of: count, context)
        gather(context, count + 2) { $0.writeImmutableBuffer(body) }
        putEndOfChunk(context)
    }

    /// What is not copied.
    private func put(_ body: IOData, _ context: ChannelHandlerContext) {
        guard body.readableBytes > 0 else { return }
        putSize(of: body.readableBytes, context)
        pass(context)
        context.write(Self.wrapOutboundOut(body), promise: nil)
        putEndOfChunk(context)
    }

    private func putSize(of count: Int, _ context: ChannelHandlerContext) {
        guard isChunked else { return }
        gather(context, count + 20) { bytes in
            bytes.writeString(String(count, radix: 16))
            bytes.writeStaticString("\r\n")
        }
    }

    private func putEndOfChunk(_ context: ChannelHandlerContext) {
        if isChunked { gather(context, 16) { $0.writeStaticString("\r\n") } }
    }

    private func putEnd(_ trailers: HTTPHeaders?, _ context: ChannelHandlerContext) {
        guard isChunked else { return }
        gather(context, 16) { bytes in
            bytes.writeStaticString("0\r\n")
            for (name, value) in trailers ?? HTTPHeaders() { bytes.writeString("\(name): \(value)\r\n") }
            bytes.writeStaticString("\r\n")
        }
    }
}

/// How the end of a body is told.
private enum Framing {
    case chunked
    /// By its length.
    case length
    /// There is no body, whatever the fields say.
    case none
    /// By the end of the connection.
    case close

    init(of status: HTTPResponseStatus, _ version: HTTPVersion, hasLength: Bool) {
        if !status.mayHaveResponseBody {
            self = .none
        } else if hasLength {
            self = .length
        } else {
            self = version.isBeforeOneOne ? .close : .chunked
        }
    }

    func keeps(_ name: String) -> Bool {
        switch self {
        case .close: true
        case .chunked, .length: !Self.isEncoding(name)
        case .none: !Self.isEncoding(name) && name.lowercased() != "content-length"
        }
    }

    private static func isEncoding(_ name: String) -> Bool {
        name.utf8.count == 17 && name.lowercased() == "transfer-encoding"
    }
}

/// Memory that texts are written into, one after the other.
private struct TextTarget {
    private let target: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ target: UnsafeMutableRawBufferPointer) { self.target = target }

    mutating func put(_ text: String) {
        var text = text
        count += text.withUTF8 { utf8 in
            UnsafeMutableRawBufferPointer(rebasing: target[count...]).copyMemory(from: UnsafeRawBufferPointer(utf8))
            return utf8.count
        }
    }

    mutating func putStatus(of head: HTTPResponseHead) {
        if head.status == .ok, head.version == .http1_1 { return put("HTTP/1.1 200 OK\r\n") }
        put("HTTP/\(head.version.major).\(head.version.minor) \(head.status.code) ")
        put(head.status.reasonPhrase)
        put("\r\n")
    }
}
