package import Inference

/// What is gathered from an answer while it passes.
package struct AnswerTally: Sendable {
    /// What the upstream said of the whole; nil until it did.
    package var usage: Usage?
    /// Tokens of the prompt, where the upstream says so at the beginning of its answer.
    package var inputTokens: Int?
    /// Events that carried something produced: what is counted when the upstream never says.
    package var contentEvents = 0
    /// Bytes of what was produced, as JSON.
    package var contentBytes = 0
    /// The upstream's own name for the answer.
    package private(set) var upstreamID: String?
    /// What the upstream says that the call cost, in billionths of whatever it counts in.
    var toldCost: Int64?
    /// Whether the upstream's terminal event came.
    package var isComplete = false

    package init() {}

    /// What was produced when the upstream never says: an event has at least one token, and a token about four bytes.
    package var likelyOutput: Int { max(contentEvents, contentBytes / 4) }

    /// One event's worth of what a model produced.
    mutating func add(contentBytes bytes: Int) {
        guard bytes > 0 else { return }
        contentEvents += 1
        contentBytes += bytes
    }

    /// Keeps the first name that a bill would have.
    mutating func note(id bytes: some Collection<UInt8>) {
        guard upstreamID == nil, (1...128).contains(bytes.count), bytes.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return }
        upstreamID = String(decoding: bytes, as: UTF8.self)
    }
}
