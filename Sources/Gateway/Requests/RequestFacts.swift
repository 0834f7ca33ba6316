package import Inference

/// What the gateway needs to know about a request's body, and where in the bytes it stands. Everything else passes on
/// untouched.
package struct RequestFacts: Sendable, Equatable {
    /// A part of the body, in bytes from its start.
    package typealias Span = Range<Int>

    /// The name that the caller used.
    package var model = ""
    package var modelSpan: Span = 0..<0
    package var isStream = false
    /// Whether the caller asked for a usage event at the end of a stream.
    package var wantsUsage = false
    package var streamOptions = StreamOptions.absent
    /// What the model must be able to do, beyond the operation itself.
    package var needs: Set<Capability> = []
    /// Whether tools were offered that the model may ignore.
    package var offersTools = false
    package var caps: [Cap] = []
    /// How many answers are made, for each prompt.
    package var choices = 1
    /// How many prompts or inputs there are.
    package var prompts = 1
    package var images = 0
    /// Bytes of the body that are images, and tell nothing of how many tokens they are.
    package var imageBytes = 0
    /// Whether something is only named in the body, such as a film by its address, so that its size is not known here.
    package var hasUnseenParts = false
    /// Whether a client of messages asked the model to think.
    package var wantsThinking = false
    /// Tokens of the prompt, where who serves it has counted them.
    package var countedInput: Int?
    /// Where the body's first member begins, just after the opening brace.
    package var firstMember = 0

    /// The most tokens of an answer that the caller named, in whichever member; nil without one that bounds anything.
    package var outputCap: Int? { caps.lazy.compactMap(\.tokens).max() }

    /// A member that caps the answer.
    package struct Cap: Sendable, Equatable {
        package let name: CapName
        /// Of its value.
        package let span: Span
        /// Nil where it caps nothing: null, negative, not whole.
        package let tokens: Int?
    }

    /// The members by which runtimes and providers take a cap. llama.cpp lets `n_predict` win over the others.
    package enum CapName: String, Sendable, CaseIterable {
        case maxTokens = "max_tokens"
        case maxCompletionTokens = "max_completion_tokens"
        case predict = "n_predict"
        case maxOutputTokens = "max_output_tokens"
    }

    package enum StreamOptions: Sendable, Equatable {
        case absent
        /// `null`, to be replaced as a whole.
        case null(Span)
        /// An object without `include_usage`: where its first member would begin, and whether it has others.
        case object(firstMember: Int, isEmpty: Bool)
        /// An object with `include_usage` at this place.
        case includeUsage(Span)
    }
}
