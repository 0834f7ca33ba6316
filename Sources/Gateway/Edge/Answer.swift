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
    var extra = FieldLines()
    /// At most that of the request.
    var version = HTTPVersion.http1_1

    static func problem(_ problem: Problem, request: RequestID, in dialect: Dialect = .openAI) -> Answer {
        var answer = Answer(
            status: problem.status, contentType: "application/json", request: request,
            body: ByteBuffer(bytes: dialect.errorBody(problem, request: request)))
        answer.extra.add(ProblemBody.headers(of: problem))
        return answer
    }

    /// Writes and flushes all of it.
    /// - Parameters:
    ///   - closes: whether the client is told that the connection ends here.
    ///   - end: if any, completed when the socket has taken all of it.
    func write(to encoder: ResponseEncoder, closes: Bool = true, end: EventLoopPromise<Void>? = nil) {
        let status = HTTPResponseStatus(statusCode: status)
        encoder.begin(status, version.answering, length: body.readableBytes) { lines in
            if !contentType.isEmpty { lines.add("content-type", contentType) }
            lines.add("x-request-id", request)
            lines.add(extra)
            if closes { lines.add("connection", "close") }
        }
        encoder.add(body)
        encoder.end(end)
        encoder.flush()
    }
}

extension HTTPVersion {
    /// HTTP/1.0 and older: no chunks, no informational answers.
    var isBeforeOneOne: Bool { major < 1 || (major == 1 && minor < 1) }

    /// The version that an answer to a request of this one carries: never above what is spoken here.
    var answering: HTTPVersion { isBeforeOneOne ? self : .http1_1 }
}
