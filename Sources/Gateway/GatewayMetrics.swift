import Inference
import Kernel
import Metrics

/// What the gateway counts. One for each event loop: handles are looked up once and kept without a lock.
final class GatewayMetrics {
    private struct Key: Hashable {
        let operation: Operation
        let model: String
        let status: RequestStatus
    }

    private final class Handles {
        let duration: Timer
        let firstToken: Timer
        let inputTokens: Counter
        let outputTokens: Counter

        init(_ key: Key) {
            let model = [("operation", key.operation.rawValue), ("model", key.model)]
            let labels = model + [("status", key.status.rawValue)]
            duration = Timer(label: "volery_request_duration_seconds", dimensions: labels)
            firstToken = Timer(label: "volery_request_time_to_first_token_seconds", dimensions: labels)
            inputTokens = Counter(label: "volery_tokens_total", dimensions: model + [("direction", "input")])
            outputTokens = Counter(label: "volery_tokens_total", dimensions: model + [("direction", "output")])
        }
    }

    private var handles = ShortTable<Key, Handles>()
    private var refusals: [ErrorCode: Counter] = [:]
    private let connects = Counter(label: "volery_upstream_connections_opened_total")
    private let pauses = Counter(label: "volery_upstream_pauses_total")

    private struct Call: Hashable {
        let deployment: DeploymentID
        let outcome: CallOutcome
    }

    private var calls = ShortTable<Call, Counter>()
    private var shed: [RequestPriority: Counter] = [:]
    private let retries = Counter(label: "volery_upstream_retries_total", dimensions: [("kind", "same")])
    private let fallbacks = Counter(label: "volery_upstream_retries_total", dimensions: [("kind", "fallback")])

    /// Another call was made for a request whose last one failed.
    func didRetry(isElsewhere: Bool) { (isElsewhere ? fallbacks : retries).increment() }

    /// A call to a deployment ended.
    func didCall(_ deployment: DeploymentID, _ outcome: CallOutcome) {
        let key = Call(deployment: deployment, outcome: outcome)
        if let counter = calls.value(for: key) { return counter.increment() }
        let counter = Counter(
            label: "volery_upstream_calls_total",
            dimensions: [("deployment", deployment.description), ("outcome", outcome.word)])
        calls.insert(counter, for: key)
        counter.increment()
    }

    /// A request was refused because there was no room for it.
    func didShed(_ priority: RequestPriority) {
        let counter =
            shed[priority]
            ?? Counter(label: "volery_requests_shed_total", dimensions: [("priority", priority.rawValue)])
        shed[priority] = counter
        counter.increment()
    }

    func upstreamDidOpen() { connects.increment() }

    /// An upstream was told to wait for its client.
    func upstreamDidPause() { pauses.increment() }

    /// Counts a finished request of a known model. Callers' own words never become labels.
    func finished(_ record: UsageRecord) {
        let key = Key(operation: record.operation, model: record.model, status: record.status)
        let handles = self.handles.value(for: key) ?? make(key)
        handles.duration.recordNanoseconds(record.latency.nanoseconds)
        if let firstToken = record.firstToken { handles.firstToken.recordNanoseconds(firstToken.nanoseconds) }
        handles.inputTokens.increment(by: record.usage.inputTokens)
        handles.outputTokens.increment(by: record.usage.outputTokens)
    }

    /// Counts a request that ended before a model was chosen.
    func refused(_ code: ErrorCode) {
        let counter =
            refusals[code] ?? Counter(label: "volery_requests_refused_total", dimensions: [("code", code.rawValue)])
        refusals[code] = counter
        counter.increment()
    }

    private func make(_ key: Key) -> Handles {
        let made = Handles(key)
        handles.insert(made, for: key)
        return made
    }
}

extension CallOutcome {
    fileprivate var word: String {
        switch self {
        case .answered: "answered"
        case .failed: "failed"
        case .overloaded: "overloaded"
        case .unknown: "unknown"
        }
    }
}
