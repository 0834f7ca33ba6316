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
    private var signals: RoutingSignals
    package private(set) var decision: RoutingDecision
    /// One for each candidate; none at all where nobody asks for them.
    private let costs: [Int64?]
    private let likelyInput: Int
    private let isCounted: Bool

    static func decided(
        _ question: RouteQuestion, to service: RoutedService, snapshot: UInt64, by prepared: PreparedRouting,
        affinity: UInt64?, costs: [Int64?], at uptime: Duration
    ) -> RequestRoute {
        let own = prepared.routing.priority
        var facts = RoutingFacts(
            needs: question.needs, inputTokens: question.leastInput, outputCap: question.outputCap,
            likelyOutput: min(Int(clamping: question.likely.output), mostOutput), affinity: affinity,
            seed: question.seed)
        facts.need(question.operation.capability)
        return RequestRoute(
            asked: question.model, facts, to: service, snapshot: snapshot, by: prepared, costs: costs,
            priority: question.priority.map { min(own, $0) } ?? own,
            likelyInput: Int(clamping: question.likely.input), isCounted: question.isCounted, at: uptime)
    }

    /// Of a question's parts, since an initializer gets copies, and a copy of the whole would be one more.
    private init(
        asked: String, _ facts: RoutingFacts, to service: RoutedService, snapshot: UInt64,
        by prepared: PreparedRouting, costs: [Int64?], priority: RequestPriority, likelyInput: Int, isCounted: Bool,
        at uptime: Duration
    ) {
        self.asked = asked
        self.snapshot = snapshot
        self.priority = priority
        self.facts = facts
        self.likelyInput = likelyInput
        self.isCounted = isCounted
        signals = Self.signals(of: service, costs, at: uptime)
        decision = RoutingDecision.decide(facts, among: service.targets, signals, by: prepared)
        self.service = service
        self.prepared = prepared
        self.costs = costs
    }

    private static func signals(of service: RoutedService, _ costs: [Int64?], at uptime: Duration) -> RoutingSignals {
        service.state.judge(service.states, at: uptime)
        return RoutingSignals(of: service.states, costs: costs, at: uptime)
    }

    /// Anew, by how the deployments do now.
    package func decide(at uptime: Duration) {
        signals = Self.signals(of: service, costs, at: uptime)
        decision = RoutingDecision.decide(facts, among: service.targets, signals, by: prepared)
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
