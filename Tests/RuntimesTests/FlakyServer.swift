import NIOCore
import NIOPosix
import Synchronization

/// An HTTP server on the loopback address that answers as a test tells it to, faults included.
final class FlakyServer: Sendable {
    struct Request: Sendable {
        let method: String
        let path: String
        let headers: [String: String]
        /// Counted from 1.
        let number: Int

        /// The first byte that is asked for.
        var rangeStart: Int? {
            headers["range"].flatMap { Int($0.dropFirst("bytes=".count).prefix { $0 != "-" }) }
        }
    }

    struct Answer: Sendable {
        var status = "200 OK"
        var headers: [String: String] = [:]
        var body: [UInt8] = []
        /// What the headers promise; the body's own length unless told.
        var promised: Int?
        /// Whether the connection stays open and silent after the body.
        var stallsAfterwards = false
    }

    private let channel: any Channel
    private let seen = Mutex<[Request]>([])

    var requests: [Request] { seen.withLock { $0 } }
    let url: String

    init(_ answer: @escaping @Sendable (Request) -> Answer) async throws {
        let inbox = Inbox()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(inbox: inbox))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        url = "http://127.0.0.1:\(channel.localAddress?.port ?? 0)"
        inbox.answer.withLock { box in
            box = { [weak self] head in
                guard let self else { return Answer(status: "503 Gone") }
                let request = self.note(head)
                return answer(request)
            }
        }
    }

    func stop() async throws { try await channel.close() }

    private func note(_ head: String) -> Request {
        let lines = head.split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value)
        }
        return seen.withLock { seen in
            let request = Request(
                method: String(words.first ?? ""), path: String(words.dropFirst().first ?? ""), headers: headers,
                number: seen.count + 1)
            seen.append(request)
            return request
        }
    }

    private final class Inbox: Sendable {
        let answer = Mutex<@Sendable (String) -> Answer>({ _ in Answer(status: "503 Not yet") })
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let inbox: Inbox
        private var head: [UInt8] = []

        init(inbox: Inbox) { self.inbox = inbox }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            head += Array(buffer: unwrapInboundIn(data))
            guard head.suffix(4) == [13, 10, 13, 10] else { return }
            let text = String(decoding: head, as: UTF8.self)
            head = []
            let answer = inbox.answer.withLock { $0 }(text)
            var lines = "HTTP/1.1 \(answer.status)\r\ncontent-length: \(answer.promised ?? answer.body.count)\r\n"
            for (name, value) in answer.headers { lines += "\(name): \(value)\r\n" }
            let buffer = ByteBuffer(bytes: Array((lines + "connection: close\r\n\r\n").utf8) + answer.body)
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(buffer)).whenComplete { _ in
                if !answer.stallsAfterwards { channel.close(promise: nil) }
            }
        }
    }
}
