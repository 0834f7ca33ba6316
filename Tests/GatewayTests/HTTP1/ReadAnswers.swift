import NIOCore

@testable import Gateway

/// What a parser makes of bytes: answers, and the fault that ended them.
struct ReadAnswers: Equatable {
    struct Answer: Equatable {
        var head: ResponseHead
        var body = ByteBuffer()
        var isWhole = false
    }

    private(set) var answers: [Answer] = []
    private(set) var fault: MessageFault?
    /// Whether more bytes could go on from these.
    private(set) var isWithin = false
    /// Whether the last answer said that none follows: what comes behind it is not read.
    private(set) var isClosed = false

    /// - Parameters:
    ///   - splits: where one read ends and the next begins.
    ///   - ends: whether the connection ends after the bytes.
    init(_ bytes: ByteBuffer, splits: [Int], ends: Bool) {
        var parser = ResponseParser()
        var start = 0
        do throws(MessageFault) {
            for end in splits + [bytes.readableBytes] where end >= start {
                parser.feed(bytes.getSlice(at: bytes.readerIndex + start, length: end - start) ?? ByteBuffer())
                start = end
                while !isClosed, let event = try parser.whole() { note(event) }
            }
            isWithin = parser.isWithin
            if ends, let event = parser.finish() { note(event) }
        } catch {
            fault = error
        }
    }

    private mutating func note(_ event: ResponseParser.Event) {
        switch event {
        case .head(let head): answers.append(Answer(head: head))
        case .body(let bytes): answers[answers.count - 1].body.writeImmutableBuffer(bytes)
        case .end:
            answers[answers.count - 1].isWhole = true
            isClosed = answers.last?.head.isPersistent == false
        case .incomplete: break
        }
    }
}

extension ResponseParser {
    /// - Returns: nil when more bytes are needed.
    mutating func whole() throws(MessageFault) -> Event? {
        let event = try next()
        return event == .incomplete ? nil : event
    }
}
