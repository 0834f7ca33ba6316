import Inference
import NIOHTTP1

/// Which requests the event loop answers itself.
enum EdgeRoute: Equatable {
    case inference(Operation)
    /// How many tokens a request of messages would have.
    case countTokens
    case models
    case model(String)
    /// An inference path with a method that it does not have.
    case wrongMethod(allowed: String)
    /// A browser's question whether a page may send what it wants to; of any path.
    case preflight
    /// Everything else, for Hummingbird.
    case cold

    static func of(_ head: RequestHead) -> EdgeRoute {
        // As a rule nothing stands behind the path.
        if let operation = operation(at: head.uri) { return posted(operation, head) }
        guard head.uri.hasPrefix("/v1/") else { return .cold }
        // By bytes: an address has no characters that would need more.
        let path = String(head.uri.utf8.prefix { $0 != UInt8(ascii: "?") }) ?? head.uri
        if let operation = operation(at: path) { return posted(operation, head) }
        switch path {
        case "/v1/messages/count_tokens": return head.method == .POST ? .countTokens : .wrongMethod(allowed: "POST")
        case "/v1/models": return head.method == .GET ? .models : .wrongMethod(allowed: "GET")
        default:
            guard path.hasPrefix("/v1/models/") else { return .cold }
            guard head.method == .GET else { return .wrongMethod(allowed: "GET") }
            let name = path.dropFirst("/v1/models/".count)
            return .model(percentDecoded(name) ?? String(name))
        }
    }

    private static func operation(at path: String) -> Operation? {
        switch path {
        case "/v1/chat/completions": .chat
        case "/v1/messages": .messages
        case "/v1/completions": .completions
        case "/v1/embeddings": .embeddings
        case "/v1/responses": .responses
        default: nil
        }
    }

    private static func posted(_ operation: Operation, _ head: RequestHead) -> EdgeRoute {
        head.method == .POST ? .inference(operation) : .wrongMethod(allowed: "POST")
    }

    private static func percentDecoded(_ text: some StringProtocol) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexadecimalDigit),
                let low = rest.popFirst().flatMap(hexadecimalDigit)
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
