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

/// The way of an upstream's answer to the client: passed on, or translated; watched in both cases.
///
/// The terminal event is held: whoever ends the answer records its usage first and writes `terminal` then.
package struct AnswerStream: Sendable {
    private enum Path: Sendable {
        /// Chat, completions and embeddings as they come.
        case openAI(StreamFilter)
        case messages(EventStream<MessagesReader>)
        case responses(EventStream<ResponsesReader>)
        case chatFromMessages(EventStream<ChatFromMessagesReader>)
        case messagesFromChat(EventStream<MessagesFromChatReader>)
        /// Before there is one, and while the other ones' content is at work.
        case taken
    }

    private var path: Path
    // Asked for each read of a stream, and so not looked up in what `path` holds.
    package private(set) var contentEvents = 0
    package private(set) var isComplete = false

    package typealias Fault = StreamFilter.Fault

    /// Of an answer that nobody was asked for yet.
    init() { path = .taken }

    /// - Parameter operation: what the client asked for.
    package init(operation: Operation, wire: WireProtocol, form: AnswerForm) {
        switch (operation, operation.asked(over: wire)) {
        case (.chat, .messages): path = .chatFromMessages(EventStream(ChatFromMessagesReader(form)))
        case (.messages, .chat): path = .messagesFromChat(EventStream(MessagesFromChatReader(form)))
        case (.messages, _): path = .messages(EventStream(MessagesReader(form)))
        case (.responses, _): path = .responses(EventStream(ResponsesReader(form)))
        case (.chat, _), (.completions, _), (.embeddings, _):
            path = .openAI(StreamFilter(wantsUsage: form.wantsUsage, model: form.shownModel))
        }
    }

    package var tally: AnswerTally {
        switch path {
        case .openAI(let filter): filter.tally
        case .messages(let passage): passage.tally
        case .responses(let passage): passage.tally
        case .chatFromMessages(let translation): translation.tally
        case .messagesFromChat(let translation): translation.tally
        case .taken: AnswerTally()
        }
    }

    package var usage: Usage? { tally.usage }
    package var contentBytes: Int { tally.contentBytes }
    package var upstreamID: String? { tally.upstreamID }
    package var likelyOutput: Int { tally.likelyOutput }

    /// The event that ends the client's stream; empty before `isComplete`.
    package var terminal: ByteBuffer {
        guard isComplete else { return ByteBuffer() }
        return switch path {
        case .openAI: Self.done
        case .messages(let passage): passage.terminal
        case .responses(let passage): passage.terminal
        case .chatFromMessages(let translation): translation.terminal
        case .messagesFromChat(let translation): translation.terminal
        case .taken: ByteBuffer()
        }
    }

    static let done = ByteBuffer(staticString: "data: [DONE]\n\n")

    /// Takes bytes as they came, and appends to `output` what may go to the client now.
    package mutating func feed(_ bytes: ByteBuffer, into output: inout ByteBuffer) throws(Fault) {
        // Out of `self` while it changes, so that its buffers are changed in place and not copied.
        let taken = path
        path = .taken
        switch taken {
        case .openAI(var filter):
            defer {
                (contentEvents, isComplete) = (filter.contentEvents, filter.isComplete)
                path = .openAI(filter)
            }
            try filter.feed(bytes, into: &output)
        case .messages(var passage):
            defer {
                (contentEvents, isComplete) = (passage.tally.contentEvents, passage.tally.isComplete)
                path = .messages(passage)
            }
            try passage.feed(bytes, into: &output)
        case .responses(var passage):
            defer {
                (contentEvents, isComplete) = (passage.tally.contentEvents, passage.tally.isComplete)
                path = .responses(passage)
            }
            try passage.feed(bytes, into: &output)
        case .chatFromMessages(var translation):
            defer {
                (contentEvents, isComplete) = (translation.tally.contentEvents, translation.tally.isComplete)
                path = .chatFromMessages(translation)
            }
            try translation.feed(bytes, into: &output)
        case .messagesFromChat(var translation):
            defer {
                (contentEvents, isComplete) = (translation.tally.contentEvents, translation.tally.isComplete)
                path = .messagesFromChat(translation)
            }
            try translation.feed(bytes, into: &output)
        case .taken: break
        }
    }

    /// Turns a whole answer, one that is no stream, into the client's.
    package mutating func whole(
        _ bytes: ByteBuffer, allocator: ByteBufferAllocator
    ) throws(Fault) -> ByteBuffer {
        switch path {
        case .openAI(var filter):
            defer {
                (contentEvents, isComplete) = (filter.contentEvents, filter.isComplete)
                path = .openAI(filter)
            }
            return try filter.whole(bytes, allocator: allocator)
        case .messages(var passage):
            defer {
                (contentEvents, isComplete) = (passage.tally.contentEvents, passage.tally.isComplete)
                path = .messages(passage)
            }
            return try passage.whole(bytes, allocator: allocator).get()
        case .responses(var passage):
            defer {
                (contentEvents, isComplete) = (passage.tally.contentEvents, passage.tally.isComplete)
                path = .responses(passage)
            }
            return try passage.whole(bytes, allocator: allocator).get()
        case .chatFromMessages(var translation):
            defer {
                (contentEvents, isComplete) = (translation.tally.contentEvents, translation.tally.isComplete)
                path = .chatFromMessages(translation)
            }
            return try translation.whole(bytes, allocator: allocator).get()
        case .messagesFromChat(var translation):
            defer {
                (contentEvents, isComplete) = (translation.tally.contentEvents, translation.tally.isComplete)
                path = .messagesFromChat(translation)
            }
            return try translation.whole(bytes, allocator: allocator).get()
        case .taken: throw .notJSON
        }
    }
}
