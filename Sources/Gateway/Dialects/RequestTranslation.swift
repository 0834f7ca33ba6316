package import Inference
package import Kernel
package import NIOCore

/// What a deployment is to be asked with.
package struct UpstreamTerms: Sendable {
    /// What the endpoint itself calls the model.
    package var model: String
    /// The most tokens of an answer, where the caller named no cap and the dialect must have one.
    package var cap: Int
    /// The member by which a chat upstream takes its cap.
    package var capName: RequestFacts.CapName
    /// Whether a chat upstream takes `top_k`, as runtimes do and OpenAI does not.
    package var takesTopK: Bool

    package init(model: String, cap: Int, capName: RequestFacts.CapName = .maxTokens, takesTopK: Bool = false) {
        self.model = model
        self.cap = cap
        self.capName = capName
        self.takesTopK = takesTopK
    }
}

/// A request in another dialect than its caller's.
package struct TranslatedRequest: Sendable, Equatable {
    package let body: ByteBuffer
    /// What has no counterpart and changes no answer: hints, and what only the other provider could read. Told to the
    /// caller, since nothing is left out in silence.
    package let leftOut: [String]
}

/// Turns a request of OpenAI's chat into one of Anthropic's messages, and back.
///
/// Each member either means the same in the other dialect and is carried over, or is refused by its name, or changes
/// no answer and is left out and told. docs/dialects.md has the table.
package enum RequestTranslation {
    /// - Parameters:
    ///   - body: read and found good by `RequestReader`.
    ///   - operation: the caller's: chat becomes messages, messages become chat.
    /// - Throws: `CAPABILITY_UNSUPPORTED` or `VALIDATION_ERROR`, with the parameter.
    package static func translate(
        _ body: ByteBuffer, from operation: Operation, terms: UpstreamTerms, allocator: ByteBufferAllocator
    ) throws(Problem) -> TranslatedRequest {
        let buffer = allocator.buffer(capacity: body.readableBytes + 512)
        var tape = JSONTape()
        let result = body.withUnsafeReadableBytes { bytes in
            tape.read(bytes) { root -> Result<TranslatedRequest, Problem> in
                do throws(Problem) {
                    switch operation {
                    case .chat: return .success(try MessagesRequest.make(from: root, terms, in: buffer))
                    case .messages: return .success(try ChatRequest.make(from: root, terms, in: buffer))
                    case .completions, .embeddings, .responses:
                        throw Problem(.capabilityUnsupported, parameter: "model")
                    }
                } catch {
                    return .failure(error)
                }
            }
        }
        guard let result else { throw Problem(.validationError, "The body is not valid JSON.") }
        return try result.get()
    }
}

/// What a translation says of members that it cannot carry over.
enum Untranslatable {
    /// - Parameters:
    ///   - parameter: its path in the caller's body.
    ///   - wire: the protocol that has no counterpart.
    static func problem(_ parameter: String, over wire: WireProtocol, hint: String? = nil) -> Problem {
        let (name, other) =
            switch wire {
            case .anthropic: ("Anthropic's Messages API", "OpenAI's protocol")
            case .openAI, .echo: ("OpenAI's chat", "Anthropic's protocol")
            }
        return Problem(
            .capabilityUnsupported,
            "This model is served over \(name), to which `\(parameter)` cannot be carried over.",
            parameter: parameter, hint: hint ?? "Leave it out, or use a model that is served over \(other).")
    }

    static func wrong(_ parameter: String, _ message: String, _ hint: String) -> Problem {
        Problem(.validationError, "`\(parameter)` \(message).", parameter: parameter, hint: hint)
    }
}

extension JSONNode {
    /// The content of a string.
    /// - Throws: `VALIDATION_ERROR` that names the parameter.
    func text(_ parameter: @autoclosure () -> String) throws(Problem) -> JSONString {
        if let string { return string }
        throw Untranslatable.wrong(parameter(), "has the wrong type", "Send a text.")
    }

    /// The content of a member that must be there.
    func text(_ name: StaticString, in path: String) throws(Problem) -> JSONString {
        if let text = string(name) { return text }
        throw Untranslatable.wrong("\(path).\(name)", "is missing or not a text", "Send a text.")
    }

    func object(_ parameter: @autoclosure () -> String) throws(Problem) -> JSONNode {
        if kind == .object { return self }
        throw Untranslatable.wrong(parameter(), "has the wrong type", "Send an object.")
    }

    func array(_ parameter: @autoclosure () -> String) throws(Problem) -> JSONNode {
        if kind == .array { return self }
        throw Untranslatable.wrong(parameter(), "has the wrong type", "Send an array.")
    }

    func flag(_ parameter: @autoclosure () -> String) throws(Problem) -> Bool {
        if let boolean { return boolean }
        throw Untranslatable.wrong(parameter(), "has the wrong type", "Send true or false.")
    }
}

/// The names of what a translation left out, each once.
struct LeftOut {
    private(set) var names: [String] = []

    mutating func add(_ name: String) {
        if !names.contains(name) { names.append(name) }
    }
}
