package import Inference
package import NIOCore

/// How an answer is to look.
package struct AnswerForm: Sendable {
    /// Whether a chat's client asked for a usage event at the end of a stream.
    package var wantsUsage: Bool
    /// The model's name that the client sees; nil leaves the upstream's.
    package var shownModel: String?
    /// Seconds since 1970: what chat says of an answer's age, and messages do not.
    package var created: Int64
    /// The answer's name where the upstream gives none.
    package var fallbackID: String
    /// Whether the client of a translated answer asked to see what the model thought.
    package var showsThinking: Bool

    package init(
        wantsUsage: Bool, shownModel: String?, created: Int64, fallbackID: String, showsThinking: Bool = false
    ) {
        self.wantsUsage = wantsUsage
        self.shownModel = shownModel
        self.created = created
        self.fallbackID = fallbackID
        self.showsThinking = showsThinking
    }
}

/// What an answer passes through on its way.
protocol AnswerPassage {
    var tally: AnswerTally { get }
    /// The event that ends the client's stream.
    var terminal: ByteBuffer { get }

    /// Takes bytes as they came, and appends to `output` what may go to the client now.
    mutating func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(StreamFilter.Fault)
    /// Turns a whole answer, one that is no stream, into the client's.
    mutating func whole(_ bytes: ByteBuffer, allocator: ByteBufferAllocator) throws(StreamFilter.Fault) -> ByteBuffer
}

/// The way of an upstream's answer to the client: passed on, or translated; watched in both cases.
///
/// The terminal event is held: whoever ends the answer records its usage first and writes `terminal` then. A copy is
/// the same stream.
package struct AnswerStream {
    private let way: AnswerWay?

    package typealias Fault = StreamFilter.Fault

    /// Of an answer that nobody was asked for yet.
    init() { way = nil }

    /// - Parameter operation: what the client asked for.
    package init(operation: Operation, wire: WireProtocol, form: AnswerForm) {
        switch (operation, operation.asked(over: wire)) {
        case (.chat, .messages): way = Way(EventStream(ChatFromMessagesReader(form)))
        case (.messages, .chat): way = Way(EventStream(MessagesFromChatReader(form)))
        case (.messages, _): way = Way(EventStream(MessagesReader(form)))
        case (.responses, _): way = Way(EventStream(ResponsesReader(form)))
        // As they come.
        case (.chat, _), (.completions, _), (.embeddings, _):
            way = Way(StreamFilter(wantsUsage: form.wantsUsage, model: form.shownModel))
        }
    }

    package var tally: AnswerTally { way?.tally ?? AnswerTally() }
    package var usage: Usage? { way?.tally.usage }
    package var contentEvents: Int { way?.tally.contentEvents ?? 0 }
    package var contentBytes: Int { way?.tally.contentBytes ?? 0 }
    package var upstreamID: String? { way?.tally.upstreamID }
    package var likelyOutput: Int { way?.tally.likelyOutput ?? 0 }
    package var isComplete: Bool { way?.tally.isComplete ?? false }

    /// The event that ends the client's stream; empty before `isComplete`.
    package var terminal: ByteBuffer { isComplete ? way?.terminal ?? ByteBuffer() : ByteBuffer() }

    static let done = ByteBuffer(staticString: "data: [DONE]\n\n")

    /// Takes bytes as they came, and appends to `output` what may go to the client now.
    package mutating func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(Fault) {
        try way?.feed(bytes, into: &output)
    }

    /// Turns a whole answer, one that is no stream, into the client's.
    package mutating func whole(_ bytes: ByteBuffer, allocator: ByteBufferAllocator) throws(Fault) -> ByteBuffer {
        guard let way else { throw .notJSON }
        return try way.whole(bytes, allocator: allocator)
    }
}

extension AnswerPassage {
    /// Where the passage is: whoever reads a part of it from outside gets a copy of all of it first.
    fileprivate mutating func report(to tally: inout AnswerTally) { tally = self.tally }
}

/// A passage of whichever kind, in a place of its own: changed where it is, and not moved for each read of a stream.
private class AnswerWay {
    /// As it was after the last bytes.
    final fileprivate(set) var tally = AnswerTally()

    var terminal: ByteBuffer { ByteBuffer() }
    func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(StreamFilter.Fault) {}
    func whole(_ bytes: ByteBuffer, allocator: ByteBufferAllocator) throws(StreamFilter.Fault) -> ByteBuffer { bytes }
}

private final class Way<Passage: AnswerPassage>: AnswerWay {
    private var passage: Passage

    init(_ passage: Passage) { self.passage = passage }

    override var terminal: ByteBuffer { passage.terminal }

    override func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(StreamFilter.Fault) {
        defer { passage.report(to: &tally) }
        try passage.feed(bytes, into: &output)
    }

    override func whole(
        _ bytes: ByteBuffer, allocator: ByteBufferAllocator
    ) throws(StreamFilter.Fault) -> ByteBuffer {
        defer { passage.report(to: &tally) }
        return try passage.whole(bytes, allocator: allocator)
    }
}

extension StreamFilter: AnswerPassage {
    var terminal: ByteBuffer { AnswerStream.done }
}

extension EventStream: AnswerPassage {}
