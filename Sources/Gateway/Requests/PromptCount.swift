package import Inference
package import NIOCore

/// How many tokens a prompt has, asked of who serves the model. Without I/O: it says what to ask next, and is told what
/// came back.
///
/// | who                | asked                                                          | says           |
/// |--------------------|----------------------------------------------------------------|----------------|
/// | Anthropic          | `/v1/messages/count_tokens`, what the prompt is made of        | `input_tokens` |
/// | vLLM, SGLang       | `/tokenize`, `messages` or `prompt`                            | `count`        |
/// | llama.cpp          | `/apply-template`, `messages`; `/tokenize`, that as `content`  | `tokens`       |
///
/// Sources: https://docs.claude.com/en/api/messages-count-tokens,
/// https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html#tokenizer-api,
/// https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
package struct PromptCount: Sendable {
    package enum Step: Sendable, Equatable {
        case ask(path: String, body: ByteBuffer)
        case counted(Int)
        /// The request is no good, as whoever was asked says.
        case refused
        /// - Parameter isLasting: it cannot count at all, and need not be asked again soon.
        case unknown(isLasting: Bool)
    }

    private enum Asked { case messages, tokens, template, rendered }

    private let request: ByteBuffer
    private let operation: Operation
    private var asked = Asked.messages

    /// - Parameters:
    ///   - request: as the deployment would get it.
    ///   - operation: that it would be asked.
    package init(_ request: ByteBuffer, asked operation: Operation) {
        self.request = request
        self.operation = operation
    }

    package mutating func begin() -> Step {
        switch operation {
        case .messages:
            let body = picked { writer, root in
                for name in Self.promptOfMessages { writer.add(name, of: root) }
            }
            return step("/v1/messages/count_tokens", body)
        case .chat:
            asked = .tokens
            let body = picked { writer, root in
                for name in ["model", "messages", "tools"] as [StaticString] { writer.add(name, of: root) }
                writer.member("add_generation_prompt", literal: "true")
            }
            return step("/tokenize", body)
        case .completions, .embeddings:
            asked = .rendered
            let body = made { writer, root in
                guard let text = root.string(operation == .completions ? "prompt" : "input") else { return false }
                writer.add("model", of: root)
                // By either name, for either runtime.
                writer.member("prompt", text)
                writer.member("content", text)
                writer.member("add_special", literal: "true")
                return true
            }
            return step("/tokenize", body)
        // Their items have no form that a tokenizer takes; the same deployment may count chats.
        case .responses: return .unknown(isLasting: false)
        }
    }

    /// - Parameters:
    ///   - status: of the answer to the last question.
    ///   - body: the whole of it.
    package mutating func next(status: Int, _ body: ByteBuffer) -> Step {
        switch status {
        case 200: break
        case 400, 413, 422: return .refused
        case 404, 405, 501: return .unknown(isLasting: true)
        default: return .unknown(isLasting: false)
        }
        var tape = JSONTape()
        let asked = asked
        let read = body.withUnsafeReadableBytes { bytes in
            tape.read(bytes) { root -> Step in
                switch asked {
                case .messages: Self.counted(root["input_tokens"]?.integer)
                case .tokens, .rendered: Self.counted(Self.tokens(in: root))
                case .template: rendered(root.string("prompt"))
                }
            }
        }
        guard let step = read else { return .unknown(isLasting: true) }
        switch (asked, step) {
        case (.tokens, .counted(0)):
            // llama.cpp counts a text, and nothing where there is none: it has to make one of the messages first.
            self.asked = .template
            let body = picked { writer, root in
                for name in ["messages", "tools"] as [StaticString] { writer.add(name, of: root) }
            }
            return self.step("/apply-template", body)
        case (.template, .ask): self.asked = .rendered
        default: break
        }
        return step
    }

    /// What a prompt is made of; with anything else the provider refuses to count.
    private static let promptOfMessages: [StaticString] = [
        "model", "messages", "system", "tools", "tool_choice", "thinking",
    ]

    private static func counted(_ count: Int?) -> Step {
        guard let count, (0..<1 << 40).contains(count) else { return .unknown(isLasting: true) }
        return .counted(count)
    }

    private static func tokens(in root: JSONNode) -> Int? {
        if let count = root["count"]?.integer { return count }
        guard let tokens = root["tokens"], tokens.kind == .array else { return nil }
        var count = 0
        for _ in tokens.elements { count += 1 }
        return count
    }

    private func rendered(_ prompt: JSONString?) -> Step {
        guard let prompt else { return .unknown(isLasting: true) }
        var writer = JSONWriter(ByteBuffer())
        writer.beginObject()
        writer.member("content", prompt)
        // As it will read the prompt: the template's own marks are tokens.
        writer.member("add_special", literal: "true")
        writer.member("parse_special", literal: "true")
        writer.endObject()
        return .ask(path: "/tokenize", body: writer.buffer)
    }

    // MARK: Bodies

    private func step(_ path: String, _ body: ByteBuffer?) -> Step {
        body.map { .ask(path: path, body: $0) } ?? .unknown(isLasting: false)
    }

    /// An object of some members of the request.
    private func picked(_ write: (inout JSONWriter, JSONNode) -> Void) -> ByteBuffer? {
        made { writer, root in
            write(&writer, root)
            return true
        }
    }

    /// - Returns: nil where there is nothing to count.
    private func made(_ write: (inout JSONWriter, JSONNode) -> Bool) -> ByteBuffer? {
        var tape = JSONTape()
        let body = request.withUnsafeReadableBytes { bytes in
            tape.read(bytes) { root -> ByteBuffer? in
                var writer = JSONWriter(ByteBuffer())
                writer.beginObject()
                guard write(&writer, root) else { return nil }
                writer.endObject()
                return writer.buffer
            }
        }
        return body ?? nil
    }
}

extension JSONWriter {
    /// A member as it stands in another object, where it is there.
    fileprivate mutating func add(_ name: StaticString, of node: JSONNode) {
        if let value = node[name], !value.isNull { member(name, value) }
    }
}
