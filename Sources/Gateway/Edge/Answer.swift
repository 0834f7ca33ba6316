import Flows
import Kernel
import NIOCore
import NIOHTTP1

/// A whole answer of the gateway's own: an error, or a listing.
struct Answer {
    let status: Int
    /// Empty where there is no content.
    let contentType: String
    let request: RequestID
    let body: ByteBuffer
    var extra: [(String, String)] = []
    /// At most that of the request.
    var version = HTTPVersion.http1_1

    static func problem(_ problem: Problem, request: RequestID, in dialect: Dialect = .openAI) -> Answer {
        var answer = Answer(
            status: problem.status, contentType: "application/json", request: request,
            body: ByteBuffer(bytes: dialect.errorBody(problem, request: request)))
        answer.extra += ProblemBody.headers(of: problem)
        return answer
    }

    /// Writes and flushes all of it.
    /// - Parameters:
    ///   - closes: whether the client is told that the connection ends here.
    ///   - end: completed when the socket has taken all of it.
    func write(to context: ChannelHandlerContext, closes: Bool = true, end: EventLoopPromise<Void>) {
        var fields: [(String, String)] = []
        fields.reserveCapacity(4 + extra.count)
        if !contentType.isEmpty { fields.append(("content-type", contentType)) }
        fields.append(("content-length", String(body.readableBytes)))
        fields.append(("x-request-id", request.description))
        fields += extra
        if closes { fields.append(("connection", "close")) }
        let head = HTTPResponseHead(
            version: version.answering, status: HTTPResponseStatus(statusCode: status), headers: HTTPHeaders(fields))
        context.write(NIOAny(HTTPServerResponsePart.head(head)), promise: nil)
        context.write(NIOAny(HTTPServerResponsePart.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil)), promise: end)
    }
}

extension HTTPVersion {
    /// HTTP/1.0 and older: no chunks, no informational answers.
    var isBeforeOneOne: Bool { major < 1 || (major == 1 && minor < 1) }

    /// The version that an answer to a request of this one carries: never above what is spoken here.
    var answering: HTTPVersion { isBeforeOneOne ? self : .http1_1 }
}
