package import Kernel

/// What a request asked for.
package enum Operation: String, Sendable, Codable, CaseIterable {
    case chat, completions, embeddings
    /// Anthropic's `/v1/messages`.
    case messages
    /// OpenAI's `/v1/responses`.
    case responses
}

extension Operation {
    /// Its place among the cases: told apart and hashed by it, as `Currency` is.
    package var place: Int {
        switch self {
        case .chat: 0
        case .completions: 1
        case .embeddings: 2
        case .messages: 3
        case .responses: 4
        }
    }

    package static func == (left: Operation, right: Operation) -> Bool { left.place == right.place }

    package func hash(into hasher: inout Hasher) { hasher.combine(place) }
}

/// How a request ended.
package enum RequestStatus: String, Sendable, Codable, CaseIterable {
    /// The whole answer was handed to the client's connection.
    case succeeded
    /// The client left before the end; what was produced until then is counted.
    case clientClosed = "client_closed"
    /// The runtime broke off after the answer had begun.
    case truncated
    /// The runtime refused the request as invalid; nothing was produced.
    case rejected
    /// The runtime failed before an answer began.
    case failed
    /// A time limit ended it.
    case timedOut = "timed_out"
    /// The platform itself ended in the middle; counted from what its journal held.
    case interrupted
}

/// The usage row of one finished request. Written once, never changed.
package struct UsageRecord: Sendable, Hashable {
    package let request: RequestID
    /// What the client sent as `x-request-id`; never used as an identity.
    package let clientRequest: String?
    package let workspace: WorkspaceID
    package let key: KeyID
    package let operation: Operation
    /// The name that the deployment carries, also when the caller used an alias.
    package let model: String
    package let deployment: DeploymentID
    package let isStream: Bool
    package let status: RequestStatus
    /// The HTTP status that the client saw; 0 when it left before one was sent.
    package let httpStatus: Int
    package let errorCode: String?
    package let usage: Usage
    package let started: Instant
    /// From the request's head to its end.
    package let latency: Duration
    /// From the request's head to the first byte of the answer; nil when there was none.
    package let firstToken: Duration?
    package let billing: BillingFacts
    /// Every call to an upstream, in order; empty when none was made.
    package let attempts: [Attempt]
    /// The decision that led to the deployments, as `RoutingRecordCoding` writes it; empty for none.
    package let route: [UInt8]

    package init(
        request: RequestID, clientRequest: String?, workspace: WorkspaceID, key: KeyID, operation: Operation,
        model: String, deployment: DeploymentID, isStream: Bool, status: RequestStatus, httpStatus: Int,
        errorCode: String?, usage: Usage, started: Instant, latency: Duration, firstToken: Duration?,
        billing: BillingFacts = .none, attempts: [Attempt] = [], route: [UInt8] = []
    ) {
        self.request = request
        self.clientRequest = clientRequest
        self.workspace = workspace
        self.key = key
        self.operation = operation
        self.model = model
        self.deployment = deployment
        self.isStream = isStream
        self.status = status
        self.httpStatus = httpStatus
        self.errorCode = errorCode
        self.usage = usage
        self.started = started
        self.latency = latency
        self.firstToken = firstToken
        self.billing = billing
        self.attempts = attempts
        self.route = route
    }
}
