import Flows
package import Inference
package import Kernel
package import NIOCore

/// In whose words a client asks and is answered.
package enum Dialect: Sendable, Equatable {
    /// OpenAI's chat, completions and embeddings.
    case openAI
    /// Anthropic's messages.
    case anthropic
    /// OpenAI's responses.
    case responses

    package init(_ operation: Operation) {
        switch operation {
        case .chat, .completions, .embeddings: self = .openAI
        case .messages: self = .anthropic
        case .responses: self = .responses
        }
    }

    /// An error as the whole answer.
    package func errorBody(_ problem: Problem, request: RequestID) -> [UInt8] {
        switch self {
        case .openAI, .responses: ProblemBody.openAI(problem, request: request)
        case .anthropic: ProblemBody.anthropic(problem, request: request)
        }
    }

    /// The event that says that a stream is over before its end. No terminal event follows it.
    package func errorEvent(_ problem: Problem, request: RequestID) -> ByteBuffer {
        var event = ByteBuffer()
        switch self {
        case .openAI:
            event.writeStaticString("data: ")
            event.writeBytes(ProblemBody.openAI(problem, request: request))
        case .anthropic:
            event.writeStaticString("event: error\ndata: ")
            event.writeBytes(ProblemBody.anthropic(problem, request: request))
        case .responses:
            event.writeStaticString("event: error\ndata: ")
            event.writeBytes(ProblemBody.responsesEvent(problem, request: request))
        }
        event.writeStaticString("\n\n")
        return event
    }
}

extension Operation {
    /// What is asked of a deployment to answer this operation: another one where the dialects differ, and request and
    /// answer are translated.
    package func asked(over wire: WireProtocol) -> Operation {
        switch (self, wire) {
        case (.chat, .anthropic): .messages
        case (.messages, .openAI), (.messages, .echo): .chat
        case (.chat, .openAI), (.chat, .echo), (.messages, .anthropic): self
        case (.completions, _), (.embeddings, _), (.responses, _): self
        }
    }
}
