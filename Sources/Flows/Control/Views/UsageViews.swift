package import Inference
package import Kernel

/// The usage row of one request as operators see it. Times in seconds.
package struct UsageRowView: Sendable, Codable, Equatable {
    package let request: RequestID
    package let clientRequest: String?
    package let workspace: WorkspaceID
    package let key: KeyID
    package let operation: Operation
    package let model: String
    package let deployment: DeploymentID
    package let isStream: Bool
    package let status: RequestStatus
    package let httpStatus: Int
    package let errorCode: String?
    package let inputTokens: Int
    package let outputTokens: Int
    package let tokenSource: CountSource
    package let started: Instant
    package let latency: Double
    package let firstToken: Double?
    package let user: UserID?
    package let tags: [String]
    package let cachedTokens: Int
    package let reasoningTokens: Int
    /// `free`, `charged` or `suspended`.
    package let billState: String
    /// What the tenant pays; nil for what has no price.
    package let price: Amount?
    /// What it cost the platform; nil for everybody else.
    package let cost: Amount?
    package let umu: String?
    /// 0 for none.
    package let priceVersion: Int
    /// 0 for none; nil for everybody but the operator.
    package let costVersion: Int?
    /// Every call to an upstream, in order; empty when none was made.
    package let attempts: [AttemptView]

    package init(_ record: UsageRecord) { self.init(BilledUsage(record: record), showsCost: false) }

    package init(_ billed: BilledUsage, showsCost: Bool) {
        let record = billed.record
        request = record.request
        clientRequest = record.clientRequest
        workspace = record.workspace
        key = record.key
        operation = record.operation
        model = record.model
        deployment = record.deployment
        isStream = record.isStream
        status = record.status
        httpStatus = record.httpStatus
        errorCode = record.errorCode
        inputTokens = record.usage.inputTokens
        outputTokens = record.usage.outputTokens
        tokenSource = record.usage.source
        started = record.started
        latency = record.latency.seconds
        firstToken = record.firstToken?.seconds
        user = record.billing.user
        tags = record.billing.tags
        cachedTokens = record.usage.cachedTokens
        reasoningTokens = record.usage.reasoningTokens
        billState = billed.billState
        price = billed.price.map(Amount.init)
        cost = showsCost ? billed.cost.map(Amount.init) : nil
        umu = billed.umu.map { Amount(units: $0.millionths, .umu).text }
        priceVersion = billed.priceVersion
        costVersion = showsCost ? billed.costVersion : nil
        attempts = record.attempts.map { AttemptView($0, showsUpstream: showsCost) }
    }

    private enum CodingKeys: String, CodingKey {
        case request = "request_id", clientRequest = "client_request_id", workspace = "workspace_id", key = "key_id"
        case operation, model, deployment = "deployment_id", isStream = "stream", status, httpStatus = "http_status"
        case errorCode = "error_code", inputTokens = "input_tokens", outputTokens = "output_tokens"
        case tokenSource = "token_source", started, latency = "latency_seconds", firstToken = "first_token_seconds"
        case user = "user_id", tags, cachedTokens = "cached_tokens", reasoningTokens = "reasoning_tokens"
        case billState = "bill_state", price, cost, umu, priceVersion = "price_version"
        case costVersion = "cost_version", attempts
    }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(request, forKey: .request)
        try members.encode(clientRequest, forKey: .clientRequest)
        try members.encode(workspace, forKey: .workspace)
        try members.encode(key, forKey: .key)
        try members.encode(operation, forKey: .operation)
        try members.encode(model, forKey: .model)
        try members.encode(deployment, forKey: .deployment)
        try members.encode(isStream, forKey: .isStream)
        try members.encode(status, forKey: .status)
        try members.encode(httpStatus, forKey: .httpStatus)
        try members.encode(errorCode, forKey: .errorCode)
        try members.encode(inputTokens, forKey: .inputTokens)
        try members.encode(outputTokens, forKey: .outputTokens)
        try members.encode(tokenSource, forKey: .tokenSource)
        try members.encode(started, forKey: .started)
        try members.encode(latency, forKey: .latency)
        try members.encode(firstToken, forKey: .firstToken)
        try members.encode(user, forKey: .user)
        try members.encode(tags, forKey: .tags)
        try members.encode(cachedTokens, forKey: .cachedTokens)
        try members.encode(reasoningTokens, forKey: .reasoningTokens)
        try members.encode(billState, forKey: .billState)
        try members.encode(price, forKey: .price)
        try members.encode(cost, forKey: .cost)
        try members.encode(umu, forKey: .umu)
        try members.encode(priceVersion, forKey: .priceVersion)
        try members.encode(costVersion, forKey: .costVersion)
        try members.encode(attempts, forKey: .attempts)
    }
}

/// What one UTC day, model and key sum to.
package struct UsageSummaryView: Sendable, Codable, Equatable {
    package let day: String
    package let model: String
    package let key: KeyID
    package let requests: Int
    package let unsuccessful: Int
    package let inputTokens: Int
    package let outputTokens: Int

    package init(_ summary: UsageSummary) {
        day = summary.day
        model = summary.model
        key = summary.key
        requests = summary.requests
        unsuccessful = summary.unsuccessful
        inputTokens = summary.inputTokens
        outputTokens = summary.outputTokens
    }

    private enum CodingKeys: String, CodingKey {
        case day, model, key = "key_id", requests, unsuccessful, inputTokens = "input_tokens"
        case outputTokens = "output_tokens"
    }
}
