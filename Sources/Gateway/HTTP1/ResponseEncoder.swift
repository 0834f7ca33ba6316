import NIOCore
import NIOHTTP1

/// Writes answers as HTTP/1, framed as NIO's encoder frames them.
///
/// What is small is gathered until it is flushed or somebody wants to know when it is written: head and body of a whole
/// answer, or size, event and end of a chunk, are one write and not three. Each write passes the pipeline and the
/// socket's queue, which costs more than the copy.
final class ResponseEncoder: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = IOData

    /// A body, or a part of one, that is longer is passed on as it is.
    private static let mostCopied = 8192

    private var gathered: ByteBuffer?
    private var isChunked = false

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch Self.unwrapOutboundIn(data) {
        case .head(let head): put(head, context)
        case .body(let body): put(body, context)
        case .end(let trailers): putEnd(trailers, context)
        }
        guard let promise else { return }
        let rest = gathered ?? ByteBuffer()
        gathered = nil
        context.write(Self.wrapOutboundOut(.byteBuffer(rest)), promise: promise)
    }

    func flush(context: ChannelHandlerContext) {
        pass(context)
        context.flush()
    }

    func handlerRemoved(context: ChannelHandlerContext) { gathered = nil }

    private func pass(_ context: ChannelHandlerContext) {
        guard let bytes = gathered else { return }
        gathered = nil
        context.write(Self.wrapOutboundOut(.byteBuffer(bytes)), promise: nil)
    }

    private func gather(_ context: ChannelHandlerContext, _ size: Int, _ body: (inout ByteBuffer) -> Void) {
        var bytes = gathered ?? context.channel.allocator.buffer(capacity: max(size, 1024))
        // Left alone, so that it is appended to in place.
        gathered = nil
        body(&bytes)
        gathered = bytes
    }

    // MARK: Head

    private func put(_ head: HTTPResponseHead, _ context: ChannelHandlerContext) {
        let framing = Framing(of: head)
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

    private func put(_ body: IOData, _ context: ChannelHandlerContext) {
        let count = body.readableBytes
        // An empty chunk would be the last one.
        guard count > 0 else { return }
        if isChunked {
            gather(context, count + 20) { bytes in
                bytes.writeString(String(count, radix: 16))
                bytes.writeStaticString("\r\n")
            }
        }
        if case .byteBuffer(let body) = body, count <= Self.mostCopied {
            gather(context, count + 2) { $0.writeImmutableBuffer(body) }
        } else {
            pass(context)
            context.write(Self.wrapOutboundOut(body), promise: nil)
        }
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

    init(of head: HTTPResponseHead) {
        if !head.status.mayHaveResponseBody {
            self = .none
        } else if head.headers.contains(name: "content-length") {
            self = .length
        } else {
            self = head.version.isBeforeOneOne ? .close : .chunked
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
