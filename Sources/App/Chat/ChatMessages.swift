/// A request of `volery chat`, in OpenAI's words.
package struct ChatRequest: Sendable, Encodable {
    package struct Message: Sendable, Codable, Equatable {
        package let role: String
        package let content: String

        package init(role: String, content: String) {
            self.role = role
            self.content = content
        }
    }

    package let model: String
    package var messages: [Message]
    package let stream: Bool
    package let maximumTokens: Int?

    package init(model: String, messages: [Message], stream: Bool, maximumTokens: Int?) {
        self.model = model
        self.messages = messages
        self.stream = stream
        self.maximumTokens = maximumTokens
    }

    private enum CodingKeys: String, CodingKey { case model, messages, stream, maximumTokens = "max_tokens" }
}

/// What of an answer matters to a reader: the text, and why it ended.
package struct ChatAnswer: Sendable, Equatable {
    package var text: String
    /// `stop`, `length` and so on, as the model says it.
    package var finish: String?

    package init(text: String, finish: String?) {
        self.text = text
        self.finish = finish
    }
}

/// A whole answer or one chunk of a stream.
struct ChatBody: Decodable {
    struct Choice: Decodable {
        struct Part: Decodable { let content: String? }
        let message: Part?
        let delta: Part?
        let finish: String?

        private enum CodingKeys: String, CodingKey { case message, delta, finish = "finish_reason" }
    }

    let choices: [Choice]
}

struct ModelListBody: Decodable {
    struct Model: Decodable { let id: String }
    let data: [Model]
}
