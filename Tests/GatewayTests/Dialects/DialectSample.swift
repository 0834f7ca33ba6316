import Gateway
import Inference

/// Each way that a stream can take, with an upstream's stream for it.
enum DialectSample: CaseIterable {
    case chatFromText, chatFromCalls, messagesFromText, messagesFromCalls, messagesFromEcho
    case messages, responses, chat

    var operation: Inference.Operation {
        switch self {
        case .chatFromText, .chatFromCalls, .chat: .chat
        case .messagesFromText, .messagesFromCalls, .messagesFromEcho, .messages: .messages
        case .responses: .responses
        }
    }

    var wire: WireProtocol {
        switch self {
        case .chatFromText, .chatFromCalls, .messages: .anthropic
        case .messagesFromText, .messagesFromCalls, .responses, .chat: .openAI
        case .messagesFromEcho: .echo
        }
    }

    var text: String {
        switch self {
        case .chatFromText: DialectStreams.text
        case .chatFromCalls, .messages: DialectStreams.calls
        case .messagesFromText, .messagesFromEcho, .chat: DialectStreams.chatText
        case .messagesFromCalls: DialectStreams.chatCalls
        case .responses: DialectStreams.responses
        }
    }

    func stream() -> AnswerStream { DialectFixture.stream(operation, over: wire) }
}
