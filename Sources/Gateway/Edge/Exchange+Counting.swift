import Flows
import Inference
import Kernel
import Logging
import NIOCore

/// How many tokens a prompt has, from who will serve it.
///
/// A request is counted before its call where an estimate leaves open whether it fits: where half of its bytes would be
/// more tokens than the context holds, and an eighth of them would not. All others are certain, or nearly, and pay
/// nothing for it. With the count the router chooses anew: a prompt that does not fit goes to a larger context, or is
/// refused with figures. Who does not answer in time leaves the estimate in force.
extension Exchange {
    /// Asks, where it is worth it.
    /// - Returns: whether the exchange waits for the count; it begins anew with it.
    func counts(_ route: RequestRoute, _ operation: Operation) -> Bool {
        guard !wasCounted, let place = route.decision.order.first else { return false }
        let deployment = route.service.deployments[place]
        guard let limit = deployment.contextLimit,
            RequestBounds(facts, bytes: requestBytes, operation: operation, deployment: nil).mayExceed(limit),
            canCount(deployment, operation), loop.mutes.allows(deployment.id, at: loop.turn.now)
        else { return false }
        wasCounted = true
        return ask(deployment, operation) { exchange, count in
            if case .tokens(let number) = count { exchange.facts.countedInput = number }
            exchange.goOnCounted(operation)
        }
    }

    private func goOnCounted(_ operation: Operation) {
        do throws(Problem) {
            try start(choose(operation), operation)
        } catch {
            end(for: error)
        }
    }

    // MARK: For a client of messages

    /// `/v1/messages/count_tokens`: the first deployment that can, counts; also what is too long to be answered.
    func countForClient() throws(Problem) {
        requestBytes = body.readableBytes
        facts = try RequestReader.read(body, for: .messages, isCounted: true)
        let route = try choose(.messages, isCounting: true)
        guard core.hasRoom(for: route.priority), core.enter() else { throw Problem(.overloaded, retryAfter: 1) }
        hasPlace = true
        guard !route.decision.order.isEmpty else {
            throw Problem(
                .overloaded, "All deployments of `\(facts.model)` are busy.", parameter: "model", retryAfter: 1)
        }
        try count(route, route.decision.order[...], after: nil)
    }

    /// - Parameter failure: of who was asked before.
    private func count(
        _ route: RequestRoute, _ places: ArraySlice<Int>, after failure: Problem?
    ) throws(Problem) {
        var rest = places
        while let place = rest.popFirst() {
            let deployment = route.service.deployments[place]
            guard canCount(deployment, .messages), loop.mutes.isAble(deployment.id, at: loop.turn.now) else {
                continue
            }
            let others = rest
            let isAsked = ask(deployment, .messages) { exchange, count in
                switch count {
                case .tokens(let number): exchange.answer(TokenCount.body(number))
                case .refused(let problem): exchange.end(for: problem)
                case .unable: exchange.countElsewhere(route, others, after: failure)
                case .failed(let problem): exchange.countElsewhere(route, others, after: problem)
                }
            }
            if isAsked { return }
        }
        if let failure { throw failure }
        throw Problem(
            .capabilityUnsupported, "Nobody who serves `\(facts.model)` counts tokens.", parameter: "model",
            hint: "Anthropic, vLLM and llama.cpp count. Every answer tells what its prompt had.")
    }

    private func countElsewhere(_ route: RequestRoute, _ places: ArraySlice<Int>, after failure: Problem?) {
        do throws(Problem) {
            try count(route, places, after: failure)
        } catch {
            end(for: error)
        }
    }

    // MARK: Asking

    /// Whether it may be able to count. Of those that speak OpenAI's protocol a prompt goes to no other address of a
    /// provider's than the one that it is registered for; runtimes on one's own network are asked, for what they count:
    /// no pictures, and nothing that is not in the body.
    private func canCount(_ deployment: Deployment, _ operation: Operation) -> Bool {
        switch deployment.wire {
        case .echo: false
        case .anthropic: operation == .chat || operation == .messages
        case .openAI:
            operation != .responses && facts.images == 0 && !facts.hasUnseenParts
                && (deployment.provider == nil || deployment.endpoint.isOwnNetwork)
        }
    }

    /// - Returns: false where there is nothing to ask.
    private func ask(
        _ deployment: Deployment, _ operation: Operation, then: @escaping (Exchange, TokenCount) -> Void
    ) -> Bool {
        guard let outgoing = try? countedBody(for: deployment, operation) else { return false }
        let count = PromptCount(outgoing, asked: operation.asked(over: deployment.wire))
        phase = .counting
        wait(atMost: core.limits.countTimeout)
        let counter = TokenCounter(self, deployment, operation, count, then: then)
        self.counter = counter
        counter.begin()
        return true
    }

    /// What the deployment would get, as far as it is counted.
    private func countedBody(for deployment: Deployment, _ operation: Operation) throws(Problem) -> ByteBuffer {
        let allocator = loop.memory.allocator
        if operation.asked(over: deployment.wire) == operation {
            return RequestRewrite.rewrite(
                body, facts: facts, upstreamModel: deployment.upstreamModel, allocator: allocator)
        }
        return try RequestTranslation.translate(
            body, from: operation, terms: UpstreamTerms(model: deployment.upstreamModel, cap: 1), allocator: allocator
        ).body
    }

    /// Nobody waits for the count any more.
    func giveUpCounting() {
        log(.warning, "a prompt's tokens were not counted in time", [:])
        counter?.fail(Problem(.upstreamTimeout, "The count did not come in time.", retryAfter: 1))
    }
}
