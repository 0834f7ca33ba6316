package import Inference
package import Kernel

/// Told of every request of the hot path that has ended, on its event loop: it does not wait.
package protocol AccessLog: AnyObject, Sendable {
    func ended(_ entry: AccessEntry)
}

/// What the log says of a request. No word of it is the caller's, but for the model's name.
package struct AccessEntry: Sendable {
    /// Its identifier's text, which the answer has too.
    package let request: String
    /// How it ended; `refused` where nothing was called.
    package let outcome: Outcome
    package var workspace: WorkspaceID?
    package var model: String?
    /// The deployment's identifier.
    package var route: String?
    /// `chat`, `embeddings` …; `models` for the listing.
    package var operation: String
    package var code: ErrorCode?
    package var latency: Duration
    package var price: Money?
    package var usage: Usage?

    package enum Outcome: Sendable, Equatable {
        case refused
        case ended(RequestStatus)

        package var text: String {
            switch self {
            case .refused: "refused"
            case .ended(let status): status.rawValue
            }
        }
    }
}
