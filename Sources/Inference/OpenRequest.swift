package import Kernel

/// What is known of a request before its upstream is called.
package struct OpenRequest: Sendable, Hashable {
    package let request: RequestID
    /// What the client sent as `x-request-id`; never used as an identity.
    package let clientRequest: String?
    package let workspace: WorkspaceID
    package let key: KeyID
    package let operation: Operation
    package let model: String
    package let deployment: DeploymentID
    package let isStream: Bool
    /// Counts from 1.
    package let attempt: Int
    package let started: Instant
    package let billing: BillingFacts
    /// The decision that led to the deployment, as `RoutingRecordCoding` writes it; empty for none.
    package let route: [UInt8]
    /// The request's calls that ended before this one begins.
    package let before: [Attempt]

    package init(
        request: RequestID, clientRequest: String?, workspace: WorkspaceID, key: KeyID, operation: Operation,
        model: String, deployment: DeploymentID, isStream: Bool, attempt: Int, started: Instant,
        billing: BillingFacts = .none, route: [UInt8] = [], before: [Attempt] = []
    ) {
        self.request = request
        self.clientRequest = clientRequest
        self.workspace = workspace
        self.key = key
        self.operation = operation
        self.model = model
        self.deployment = deployment
        self.isStream = isStream
        self.attempt = attempt
        self.started = started
        self.billing = billing
        self.route = route
        self.before = before
    }
}

/// What a running request has consumed so far.
package struct RequestProgress: Sendable, Hashable {
    package let request: RequestID
    package let usage: Usage
    /// From the request's head to this record.
    package let elapsed: Duration
    /// From the request's head to the first byte of the answer; nil when there was none.
    package let firstToken: Duration?

    package init(request: RequestID, usage: Usage, elapsed: Duration, firstToken: Duration?) {
        self.request = request
        self.usage = usage
        self.elapsed = elapsed
        self.firstToken = firstToken
    }
}

extension UsageRecord {
    /// The row of a request that was running when its process ended: what its last `progress` says. Without one nothing
    /// of the answer had gone out, and nothing is charged.
    package init(interrupted open: OpenRequest, after progress: RequestProgress?) {
        self.init(
            request: open.request, clientRequest: open.clientRequest, workspace: open.workspace, key: open.key,
            operation: open.operation, model: open.model, deployment: open.deployment, isStream: open.isStream,
            status: .interrupted, httpStatus: progress == nil ? 0 : 200, errorCode: nil,
            usage: progress?.usage ?? Usage(inputTokens: 0, outputTokens: 0, source: .estimated),
            started: open.started, latency: progress?.elapsed ?? .zero, firstToken: progress?.firstToken,
            billing: open.billing,
            attempts: open.before + [
                Attempt(
                    number: open.attempt, deployment: open.deployment, provider: open.billing.provider, upstream: nil,
                    cost: .unknown)
            ],
            route: open.route)
    }
}
