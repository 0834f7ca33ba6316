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
    /// Where the body's first member begins, just after the opening brace.
    package var firstMember = 0

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
