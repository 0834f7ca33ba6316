/// What a client saw of one request.
struct ClientOutcome {
    enum Seen: Equatable {
        /// No connection, or one that ended before an answer.
        case nothing
        /// An answer that broke off.
        case part
        /// All of it: the whole body, or `[DONE]`.
        case complete
        /// The client left on purpose.
        case left
        /// Longer than any limit of the platform.
        case hung
    }

    let plan: UsagePlan.Request
    /// The copy of a request that is delivered twice.
    var isCopy = false
    /// Its connection was reset before anything of it was written.
    var isLost = false
    var seen = Seen.nothing
    var status = 0
    /// The platform's name for the request.
    var request = ""
    /// Events with content, or whether there was any in a whole answer.
    var contents = 0
}
