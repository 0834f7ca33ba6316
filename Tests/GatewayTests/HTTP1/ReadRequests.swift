import NIOCore

@testable import Gateway

/// What a parser makes of bytes: requests, and the fault that ended them.
struct ReadRequests: Equatable {
    struct Request: Equatable {
        var head: RequestHead
        var body = ByteBuffer()
        var isWhole = false
    }

    private(set) var requests: [Request] = []
    private(set) var fault: MessageFault?
    /// Whether more bytes could go on from these.
    private(set) var isWithin = false
    /// Whether the last request said that none follows: what comes behind it is not read.
    private(set) var isClosed = false

    /// - Parameter splits: where one read ends and the next begins.
    init(_ bytes: ByteBuffer, splits: [Int] = []) {
        var parser = RequestParser(maximumHead: 64 << 10)
        var start = 0
        do throws(MessageFault) {
            for end in splits + [bytes.readableBytes] where end >= start {
                parser.feed(bytes.getSlice(at: bytes.readerIndex + start, length: end - start) ?? ByteBuffer())
                start = end
                while !isClosed, let event = try parser.whole() { note(event) }
            }
            isWithin = parser.isWithin
        } catch {
            fault = error
        }
    }

    private mutating func note(_ event: RequestParser.Event) {
        switch event {
        case .head(let head): requests.append(Request(head: head))
        case .body(let bytes): requests[requests.count - 1].body.writeImmutableBuffer(bytes)
        case .end:
            requests[requests.count - 1].isWhole = true
            isClosed = requests.last?.head.isKeepAlive == false
        case .incomplete: break
        }
    }
}

extension RequestParser {
    /// - Returns: nil when more bytes are needed.
    mutating func whole() throws(MessageFault) -> Event? {
        let event = try next()
        return event == .incomplete ? nil : event
    }
}
