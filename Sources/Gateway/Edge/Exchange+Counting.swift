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
            mayAsk(deployment, operation)
        else { return false }
        wasCounted = true
        return ask(deployment, operation) { exchange, count in
            exchange.facts.countedInput = count
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

    /// `/v1/messages/count_tokens`: the first deployment that can, counts.
    func countForClient() throws(Problem) {
        requestBytes = body.readableBytes
        facts = try RequestReader.read(body, for: .messages, isCounted: true)
        guard !core.isDraining else { throw Problem(.shuttingDown, retryAfter: 1) }
        let route = try choose(.messages)
        try count(route, route.decision.order[...])
    }

    private func count(_ route: RequestRoute, _ places: ArraySlice<Int>) throws(Problem) {
        var rest = places
        while let place = rest.popFirst() {
            let deployment = route.service.deployments[place]
            guard mayAsk(deployment, .messages) else { continue }
            let others = rest
            let isAsked = ask(deployment, .messages) { exchange, count in
                if let count { return exchange.answer(TokenCountAnswer.body(count)) }
                do throws(Problem) {
                    try exchange.count(route, others)
                } catch {
                    exchange.end(for: error)
                }
            }
            if isAsked { return }
        }
        throw Problem(
            .capabilityUnsupported, "Nobody who serves `\(facts.model)` counts tokens now.", parameter: "model",
            hint: "Anthropic, vLLM and llama.cpp count. Every answer tells what its prompt had.")
    }

    // MARK: Asking

    /// Whether it may be able to count. Who speaks OpenAI's protocol counts neither pictures nor what is not in the
    /// body.
    private func mayAsk(_ deployment: Deployment, _ operation: Operation) -> Bool {
        switch deployment.wire {
        case .echo: return false
        case .anthropic: break
        case .openAI: if facts.images > 0 || facts.hasUnseenParts { return false }
        }
        return loop.mutes.allows(deployment.id, at: loop.eventLoop.now)
    }

    /// - Parameter then: gets nil where it did not tell.
    /// - Returns: false where there is nothing to ask.
    private func ask(
        _ deployment: Deployment, _ operation: Operation, then: @escaping (Exchange, Int?) -> Void
    ) -> Bool {
        guard let outgoing = try? countedBody(for: deployment, operation) else { return false }
        let count = PromptCount(outgoing, asked: operation.asked(over: deployment.wire))
        phase = .counting
        wait(atMost: GatewayLimits.countTimeout)
        let counter = TokenCounter(self, deployment, count, then: then)
        self.counter = counter
        counter.begin()
        return true
    }

    /// What the deployment would get, as far as it is counted.
    private func countedBody(for deployment: Deployment, _ operation: Operation) throws(Problem) -> ByteBuffer {
        let allocator = edge.channel.allocator
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
        guard let counter else { return }
        log(.warning, "a prompt's tokens were not counted in time", [:])
        counter.end(with: nil)
    }
}

/// One count for one exchange: asks the deployment what `PromptCount` wants to know.
final class TokenCounter {
    private let exchange: Exchange
    private let deployment: Deployment
    private var count: PromptCount
    private let then: (Exchange, Int?) -> Void
    private var connection: UpstreamConnection?
    private var status = 0
    private var answer = ByteBuffer()
    private var isOver = false

    init(
        _ exchange: Exchange, _ deployment: Deployment, _ count: PromptCount,
        then: @escaping (Exchange, Int?) -> Void
    ) {
        self.exchange = exchange
        self.deployment = deployment
        self.count = count
        self.then = then
    }

    func begin() { take(count.begin()) }

    /// Nothing is called any more; the exchange has ended.
    func cancel() {
        isOver = true
        connection?.cancel()
        connection = nil
    }

    func end(with number: Int?) {
        guard !isOver else { return }
        cancel()
        exchange.counter = nil
        then(exchange, number)
    }

    private func take(_ step: PromptCount.Step) {
        switch step {
        case .counted(let number): end(with: number)
        case .unknown(let isLasting):
            if isLasting { exchange.loop.mutes.mute(deployment.id, at: exchange.loop.eventLoop.now) }
            end(with: nil)
        case .ask(let path, let body): ask(path, body)
        }
    }

    private func ask(_ path: String, _ body: ByteBuffer) {
        (status, answer) = (0, ByteBuffer())
        if let connection = exchange.loop.pool.idleConnection(to: deployment.endpoint) {
            return send(path, body, on: connection)
        }
        let bound = NIOLoopBound(self, eventLoop: exchange.loop.eventLoop)
        exchange.loop.pool.connect(to: deployment.endpoint).assumeIsolated().whenComplete { result in
            let counter = bound.value
            switch result {
            case .success(let connection) where counter.isOver: connection.cancel()
            case .success(let connection): counter.send(path, body, on: connection)
            case .failure: counter.end(with: nil)
            }
        }
    }

    private func send(_ path: String, _ body: ByteBuffer, on connection: UpstreamConnection) {
        self.connection = connection
        let credential = exchange.core.flow.credentials.credential(for: deployment)
        let extra = deployment.wire == .anthropic ? exchange.versionFields(.messages) : []
        connection.send(
            UpstreamRequest(
                shape: UpstreamRequest.Shape(path: path, accept: "application/json", extra: extra),
                requestID: exchange.requestText,
                credential: credential.map { .init(name: $0.field, value: $0.value) }),
            body: body, to: self)
    }
}

extension TokenCounter: UpstreamReceiver {
    func upstreamDidReceive(status: Int, headers: HeaderFields) { self.status = status }

    func upstreamDidReceive(_ bytes: ByteBuffer) {
        guard answer.readableBytes + bytes.readableBytes <= exchange.core.limits.maximumAnswer else {
            return end(with: nil)
        }
        answer.writeImmutableBuffer(bytes)
    }

    func upstreamDidFinishReading() {}

    func upstreamDidEnd() {
        connection = nil
        guard !isOver else { return }
        take(count.next(status: status, answer))
    }

    func upstreamDidFail(_ failure: UpstreamFailure) {
        connection = nil
        end(with: nil)
    }
}

/// Which deployments are not asked to count for a while, since they said that they cannot.
struct CountMutes {
    /// A runtime that is replaced by one that can is noticed after so long.
    private static let time = TimeAmount.minutes(10)

    private var until: [DeploymentID: NIODeadline] = [:]

    func allows(_ deployment: DeploymentID, at now: NIODeadline) -> Bool {
        until[deployment].map { $0 <= now } ?? true
    }

    mutating func mute(_ deployment: DeploymentID, at now: NIODeadline) {
        // Those that are gone are forgotten with the others.
        until = until.filter { $0.value > now }
        until[deployment] = now + Self.time
    }
}

enum TokenCountAnswer {
    static func body(_ count: Int) -> ByteBuffer { ByteBuffer(string: #"{"input_tokens":\#(count)}"#) }
}
