package import Billing
package import Inference
package import Kernel

/// What a request asks of the router.
package struct RouteQuestion: Sendable {
    /// As the caller wrote it.
    package let model: String
    package let operation: Operation
    /// Beyond the operation itself.
    package let needs: Set<Capability>
    /// Tokens that the prompt has at least.
    package let leastInput: Int
    /// Those are all that it has.
    package let isCounted: Bool
    /// The caller's own cap.
    package let outputCap: Int?
    /// What it will likely consume.
    package let likely: Quantities
    /// Decides where chance decides.
    package let seed: UInt64
    /// What the caller asked for; never more than its workspace has.
    package let priority: RequestPriority?

    package init(
        model: String, operation: Operation, needs: Set<Capability>, leastInput: Int, isCounted: Bool = false,
        outputCap: Int?, likely: Quantities, seed: UInt64, priority: RequestPriority?
    ) {
        self.model = model
        self.operation = operation
        self.needs = needs
        self.leastInput = leastInput
        self.isCounted = isCounted
        self.outputCap = outputCap
        self.likely = likely
        self.seed = seed
        self.priority = priority
    }
}

/// A request's way to a deployment: who can answer, and in which order they are asked. Used on one event loop.
package final class RequestRoute {
    /// Beyond it all answers are equally far away. Bounded, since a caller's numbers are multiplied with times.
    private static let mostOutput = 1 << 22

    package let asked: String
    package let snapshot: UInt64
    package let service: RoutedService
    /// By what its workspace's requests are routed.
    package let prepared: PreparedRouting
    package let priority: RequestPriority
    package let facts: RoutingFacts
    package private(set) var signals: [RoutingSignal]
    package private(set) var decision: RoutingDecision
    /// One for each candidate; none at all where nobody asks for them.
    private let costs: [Int64?]
    private let likelyInput: Int
    private let isCounted: Bool

    init(
        _ question: RouteQuestion, to service: RoutedService, snapshot: UInt64, by prepared: PreparedRouting,
        affinity: UInt64?, costs: [Int64?], at uptime: Duration
    ) {
        asked = question.model
        self.snapshot = snapshot
        self.service = service
        self.prepared = prepared
        self.costs = costs
        likelyInput = Int(clamping: question.likely.input)
        isCounted = question.isCounted
        let own = prepared.routing.priority
        priority = min(own, question.priority ?? own)
        let operation = question.operation
        facts = RoutingFacts(
            needs: question.needs.isEmpty ? operation.needs : question.needs.union(operation.needs),
            inputTokens: question.leastInput,
            outputCap: question.outputCap, likelyOutput: min(Int(clamping: question.likely.output), Self.mostOutput),
            affinity: affinity, seed: question.seed)
        signals = Self.signals(of: service, costs, at: uptime)
        decision = RoutingDecision.decide(facts, among: service.targets, signals, by: prepared.routing.policy)
    }

    private static func signals(of service: RoutedService, _ costs: [Int64?], at uptime: Duration) -> [RoutingSignal] {
        service.state.judge(service.states, at: uptime)
        return service.states.enumerated().map { place, state in
            var signal = state.signal(at: uptime)
            if !costs.isEmpty { signal.cost = costs[place] }
            return signal
        }
    }

    /// Anew, by how the deployments do now.
    package func decide(at uptime: Duration) {
        signals = Self.signals(of: service, costs, at: uptime)
        decision = RoutingDecision.decide(facts, among: service.targets, signals, by: prepared.routing.policy)
    }

    /// What the decision was made from, and what it was, as `RoutingRecordCoding` writes it; empty where there are too
    /// many candidates to keep.
    package var record: [UInt8] {
        RoutingRecordCoding.encoded(
            snapshot: snapshot, asked: asked, facts: facts, policy: prepared.encodedPolicy,
            targets: service.encoded, signals: signals, order: decision.order) ?? []
    }

    /// Whether somebody could answer who only has too much to do now.
    package var isFull: Bool {
        decision.order.isEmpty
            && decision.verdicts.contains {
                if case .full = $0 { true } else { false }
            }
    }

    /// What the caller is told where nobody can answer.
    package var refusal: Problem {
        let model = service.deployments[0].model
        var (missing, largest, needed, isPaused, isTooSmall) = (Set<Capability>(), 0, 0, false, true)
        for verdict in decision.verdicts {
            switch verdict {
            case .cannot(let capabilities):
                missing.formUnion(capabilities)
                isTooSmall = false
            case .contextTooSmall(let limit, let tokens): (largest, needed) = (max(largest, limit), tokens)
            case .failing, .breakerOpen, .breakerProbing, .ejected: (isPaused, isTooSmall) = (true, false)
            case .disabled: break
            default: isTooSmall = false
            }
        }
        if isPaused {
            return Problem(
                .providerDegraded, "Whoever serves `\(model)` is failing, and is left alone for a moment.",
                parameter: "model", retryAfter: 1)
        }
        if isTooSmall, largest > 0 { return tooLong(atLeast: needed - 1, limit: largest) }
        let verdicts = decision.verdicts
        let isAllUnable = verdicts.allSatisfy { if case .cannot = $0 { true } else { false } }
        if isAllUnable, !missing.isEmpty { return Self.unsupported(missing, by: model) }
        return Problem(
            .noRoute, "No deployment of `\(model)` may answer this request: \(Self.words(verdicts)).",
            parameter: "model", hint: "`GET /v1/requests/{x-request-id}/route` says why, for each of them.",
            retryAfter: 1)
    }

    /// How many were passed over for which reason.
    private static func words(_ verdicts: [RoutingVerdict]) -> String {
        var counts: [(word: String, count: Int)] = []
        for verdict in verdicts {
            let word = verdict.word
            if let place = counts.firstIndex(where: { $0.word == word }) {
                counts[place].count += 1
            } else {
                counts.append((word, 1))
            }
        }
        return counts.map { "\($0.count) \($0.word)" }.joined(separator: ", ")
    }

    private func tooLong(atLeast tokens: Int, limit: Int) -> Problem {
        if isCounted {
            return Problem(
                .contextLengthExceeded,
                "The prompt has \(tokens) tokens, and the model's context holds \(limit). Nothing was cut.",
                parameter: "messages",
                hint: "Shorten the prompt by at least \(max(1, tokens - limit + 1)) tokens, "
                    + "or use a model with a larger context.",
                figures: [.init("prompt_tokens", tokens), .init("context_limit", limit)])
        }
        return Problem(
            .contextLengthExceeded,
            "The prompt has about \(likelyInput) tokens by an estimate, and at least \(tokens); the model's context "
                + "holds \(limit). Nothing was cut.",
            parameter: "messages",
            hint: "Shorten the prompt by at least \(max(1, tokens - limit + 1)) tokens, "
                + "or use a model with a larger context.",
            figures: [
                .init("prompt_tokens_estimated", likelyInput), .init("prompt_tokens_at_least", tokens),
                .init("context_limit", limit),
            ])
    }

    private static func unsupported(_ missing: Set<Capability>, by model: ModelName) -> Problem {
        let names = missing.map(\.rawValue).sorted().joined(separator: ", ")
        return Problem(
            .capabilityUnsupported, "The model `\(model)` cannot do this: \(names).",
            parameter: missing.count == 1 ? missing.first.flatMap(\.parameter) ?? "model" : "model")
    }
}

extension Capability {
    /// The member of a request by which it is asked for; nil for what the whole request is.
    fileprivate var parameter: String? {
        switch self {
        case .tools: "tool_choice"
        case .logprobs: "logprobs"
        case .images: "messages"
        case .jsonObject, .jsonSchema: "response_format"
        case .multipleChoices: "n"
        case .chat, .completions, .embeddings, .responses: nil
        }
    }
}

extension RoutingVerdict {
    /// In one word, after a count.
    fileprivate var word: String {
        switch self {
        case .taken, .fallback: "able"
        case .disabled: "disabled"
        case .cannot: "without a capability that it needs"
        case .contextTooSmall: "with too small a context"
        case .elsewhere: "in another region"
        case .dataPolicy: "without a promise about data"
        case .tooDear: "above the price cap"
        case .costUnknown: "without a known cost"
        case .tooSlow: "too slow"
        case .failing: "failing its health check"
        case .breakerOpen, .breakerProbing: "paused after failures"
        case .ejected: "ejected as an outlier"
        case .full: "full"
        }
    }
}
