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
/// The terminal event is held: whoever ends the answer records its usage first and writes `terminal` then.
package struct AnswerStream {
    private let way: (any AnswerWay)?
    // Asked for each read of a stream, and so not looked up on the way.
    package private(set) var contentEvents = 0
    package private(set) var isComplete = false

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
    package var usage: Usage? { tally.usage }
    package var contentBytes: Int { tally.contentBytes }
    package var upstreamID: String? { tally.upstreamID }
    package var likelyOutput: Int { tally.likelyOutput }

    /// The event that ends the client's stream; empty before `isComplete`.
    package var terminal: ByteBuffer { isComplete ? way?.terminal ?? ByteBuffer() : ByteBuffer() }

    static let done = ByteBuffer(staticString: "data: [DONE]\n\n")

    /// Takes bytes as they came, and appends to `output` what may go to the client now.
    package mutating func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(Fault) {
        guard let way else { return }
        defer { (contentEvents, isComplete) = way.progress }
        try way.feed(bytes, into: &output)
    }

    /// Turns a whole answer, one that is no stream, into the client's.
    package mutating func whole(_ bytes: ByteBuffer, allocator: ByteBufferAllocator) throws(Fault) -> ByteBuffer {
        guard let way else { throw .notJSON }
        defer { (contentEvents, isComplete) = way.progress }
        return try way.whole(bytes, allocator: allocator)
    }
}

/// A passage of whichever kind, in a place of its own: changed where it is, and not moved for each read of a stream.
private protocol AnswerWay: AnyObject {
    var tally: AnswerTally { get }
    var progress: (contentEvents: Int, isComplete: Bool) { get }
    var terminal: ByteBuffer { get }
    func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(StreamFilter.Fault)
    func whole(_ bytes: ByteBuffer, allocator: ByteBufferAllocator) throws(StreamFilter.Fault) -> ByteBuffer
}

private final class Way<Passage: AnswerPassage>: AnswerWay {
    private var passage: Passage

    init(_ passage: Passage) { self.passage = passage }

    var tally: AnswerTally { passage.tally }
    var progress: (contentEvents: Int, isComplete: Bool) { (passage.tally.contentEvents, passage.tally.isComplete) }
    var terminal: ByteBuffer { passage.terminal }

    func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(StreamFilter.Fault) {
        try passage.feed(bytes, into: &output)
    }

    func whole(_ bytes: ByteBuffer, allocator: ByteBufferAllocator) throws(StreamFilter.Fault) -> ByteBuffer {
        try passage.whole(bytes, allocator: allocator)
    }
}

extension StreamFilter: AnswerPassage {
    var terminal: ByteBuffer { AnswerStream.done }
}

extension EventStream: AnswerPassage {}
