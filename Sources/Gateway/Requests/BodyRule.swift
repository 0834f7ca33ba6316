import Inference

/// The type that a member of a request's body must have. Members that are not listed pass on to the runtime unseen.
///
/// Sources: https://platform.openai.com/docs/api-reference, https://docs.claude.com/en/api/messages
struct BodyRule {
    let kinds: JSONKinds
    /// What to send, for the error's hint.
    let words: String

    static func required(in operation: Operation) -> [String] {
        switch operation {
        case .chat: ["model", "messages"]
        case .completions: ["model", "prompt"]
        case .embeddings, .responses: ["model", "input"]
        case .messages: ["model", "messages", "max_tokens"]
        }
    }

    static func rule(for name: String, in operation: Operation) -> BodyRule? {
        switch (operation, name) {
        case (_, "model"): BodyRule(kinds: [.string], words: "the model's name as a text")
        case (.chat, "messages"), (.messages, "messages"):
            BodyRule(kinds: [.array], words: "an array of messages, each with `role` and `content`")
        case (.completions, "prompt"): BodyRule(kinds: [.string, .array], words: "a text, or an array of texts")
        case (.embeddings, "input"): BodyRule(kinds: [.string, .array], words: "a text, or an array of texts")
        case (.embeddings, "encoding_format"): BodyRule(kinds: [.string, .null], words: "`float` or `base64`")
        case (.embeddings, "dimensions"): number
        case (.embeddings, "stream"): BodyRule(kinds: [.null], words: "no `stream`: embeddings come whole")
        case (.embeddings, _): nil
        case (.messages, let name): messages(name)
        case (.responses, let name): responses(name)
        case (_, let name): sampling(name)
        }
    }

    private static let number = BodyRule(kinds: [.number, .null], words: "a number")
    private static let flag = BodyRule(kinds: [.boolean, .null], words: "true or false")
    private static let object = BodyRule(kinds: [.object, .null], words: "an object")

    private static func messages(_ name: String) -> BodyRule? {
        switch name {
        case "max_tokens": BodyRule(kinds: [.number], words: "the most tokens that the answer may have")
        case "stream": flag
        case "system": BodyRule(kinds: [.string, .array, .null], words: "a text, or an array of text blocks")
        case "tools", "stop_sequences": BodyRule(kinds: [.array, .null], words: "an array")
        case "tool_choice": BodyRule(kinds: [.object, .null], words: #"an object, such as {"type": "auto"}"#)
        case "metadata", "thinking", "output_config": object
        case "temperature", "top_p", "top_k": number
        default: nil
        }
    }

    private static func responses(_ name: String) -> BodyRule? {
        switch name {
        case "input": BodyRule(kinds: [.string, .array], words: "a text, or an array of items")
        case "stream", "store", "parallel_tool_calls", "background": flag
        case "max_output_tokens", "temperature", "top_p", "top_logprobs": number
        case "instructions": BodyRule(kinds: [.string, .null], words: "a text")
        case "tools": BodyRule(kinds: [.array, .null], words: "an array of tools")
        case "metadata", "text", "reasoning": object
        default: nil
        }
    }

    private static func sampling(_ name: String) -> BodyRule? {
        switch name {
        case "stream": flag
        case "stream_options", "response_format", "logit_bias", "metadata": object
        case "temperature", "top_p", "max_tokens", "max_completion_tokens", "n", "seed", "presence_penalty",
            "frequency_penalty", "top_logprobs":
            number
        case "stop": BodyRule(kinds: [.string, .array, .null], words: "a text, or an array of texts")
        case "tools": BodyRule(kinds: [.array, .null], words: "an array of tools")
        case "tool_choice":
            BodyRule(kinds: [.string, .object, .null], words: "`none`, `auto`, `required`, or an object naming a tool")
        default: nil
        }
    }
}

/// Some kinds of JSON values.
struct JSONKinds: OptionSet {
    let rawValue: UInt8
    static let object = JSONKinds(rawValue: 1)
    static let array = JSONKinds(rawValue: 2)
    static let string = JSONKinds(rawValue: 4)
    static let number = JSONKinds(rawValue: 8)
    static let boolean = JSONKinds(rawValue: 16)
    static let null = JSONKinds(rawValue: 32)

    func has(_ kind: JSONKind) -> Bool {
        switch kind {
        case .object: contains(.object)
        case .array: contains(.array)
        case .string: contains(.string)
        case .number: contains(.number)
        case .boolean: contains(.boolean)
        case .null: contains(.null)
        }
    }
}
