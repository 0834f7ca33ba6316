import FoundationEssentials
package import Inference
import Kernel
import NIOCore
import NIOHTTP1

/// `demo-echo`: answers at once, with nothing to download, and says that it is no language model. It speaks OpenAI's
/// protocol like any runtime, so that everything behind the gateway can be tried with it.
package enum EchoModel {
    package static let name = "demo-echo"
    package static var modelName: ModelName { ModelName(known: "demo-echo") }
    static let introduction =
        "I am demo-echo, a small program inside Volery and not a language model; I repeat what you say."
    /// Between two words of a stream, so that streaming can be seen.
    static let pace = TimeAmount.milliseconds(12)

    struct Prompt: Decodable {
        struct Message: Decodable {
            struct Part: Decodable { let text: String? }
            let role: String
            let content: Content?

            enum Content: Decodable {
                case text(String)
                case parts([Part])

                init(from decoder: any Decoder) throws {
                    let container = try decoder.singleValueContainer()
                    if let text = try? container.decode(String.self) {
                        self = .text(text)
                    } else {
                        self = .parts(try container.decode([Part].self))
                    }
                }

                var text: String {
                    switch self {
                    case .text(let text): text
                    case .parts(let parts): parts.compactMap(\.text).joined(separator: " ")
                    }
                }
            }
        }

        enum Text: Decodable {
            case one(String)
            case many([String])

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let text = try? container.decode(String.self) {
                    self = .one(text)
                } else {
                    self = .many(try container.decode([String].self))
                }
            }
        }

        let messages: [Message]?
        let prompt: Text?
        let maxTokens: Int?
        let maxCompletionTokens: Int?

        enum CodingKeys: String, CodingKey {
            case messages, prompt, maxTokens = "max_tokens", maxCompletionTokens = "max_completion_tokens"
        }

        var said: String {
            if let last = messages?.last(where: { $0.role == "user" }) { return last.content?.text ?? "" }
            switch prompt {
            case .one(let text): return text
            case .many(let texts): return texts.joined(separator: "\n")
            case nil: return ""
            }
        }

        var inputWords: Int {
            guard let messages else { return EchoModel.words(said).count }
            return messages.reduce(0) { $0 + EchoModel.words($1.content?.text ?? "").count }
        }
    }

    /// A word with the white space before it: what this model counts as a token.
    static func words(_ text: String) -> [Substring] {
        var words: [Substring] = []
        var start = text.startIndex
        var inWord = false
        for index in text.indices {
            let isSpace = text[index].isWhitespace
            if isSpace, inWord {
                words.append(text[start..<index])
                start = index
            }
            inWord = !isSpace
        }
        if start < text.endIndex { words.append(text[start...]) }
        return words
    }

    /// What it answers: all words, and whether they had to end early.
    static func answer(to prompt: Prompt) -> (words: [Substring], isCut: Bool) {
        let said = prompt.said
        let text = said.isEmpty ? introduction : "\(introduction) You said: \(said)"
        let words = words(text)
        let limit = prompt.maxCompletionTokens ?? prompt.maxTokens ?? Int.max
        guard limit >= 0, words.count > limit else { return (words, false) }
        return (Array(words.prefix(limit)), true)
    }
}
