import Flows
import Inference
import Kernel
import NIOCore

/// What became of a question for a prompt's tokens.
enum TokenCount {
    case tokens(Int)
    /// The request is no good, in the words of whoever was asked.
    case refused(Problem)
    /// It cannot count.
    case unable
    /// It does not count now.
    case failed(Problem)

    /// As Anthropic answers.
    static func body(_ count: Int) -> ByteBuffer { ByteBuffer(string: #"{"input_tokens":\#(count)}"#) }
}

/// One count for one exchange: asks the deployment what `PromptCount` wants to know.
final class TokenCounter {
    private let exchange: Exchange
    private let deployment: Deployment
    private let operation: Operation
    private var count: PromptCount
    private let then: (Exchange, TokenCount) -> Void
    /// What is asked now, for one more try.
    private var question: (path: String, body: ByteBuffer)?
    private var connection: UpstreamConnection?
    /// Whether the connection had been idle: its server may have closed it just then.
    private var mayRetry = false
    private var status = 0
    private var headers = HeaderFields()
    private var answer = ByteBuffer()
    private var isOver = false

    init(
        _ exchange: Exchange, _ deployment: Deployment, _ operation: Operation, _ count: PromptCount,
        then: @escaping (Exchange, TokenCount) -> Void
    ) {
        self.exchange = exchange
        self.deployment = deployment
        self.operation = operation
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

    func fail(_ problem: Problem) {
        guard !isOver else { return }
        exchange.loop.mutes.rest(deployment.id, at: exchange.loop.eventLoop.now)
        end(with: .failed(problem))
    }

    private func end(with result: TokenCount) {
        guard !isOver else { return }
        cancel()
        exchange.counter = nil
        then(exchange, result)
    }

    private func take(_ step: PromptCount.Step) {
        switch step {
        case .counted(let number): end(with: .tokens(number))
        case .refused: end(with: .refused(problem))
        case .unknown(true):
            exchange.loop.mutes.mute(deployment.id, at: exchange.loop.eventLoop.now)
            end(with: .unable)
        case .unknown(false) where status == 0 || status == 200: end(with: .unable)
        case .unknown: fail(problem)
        case .ask(let path, let body):
            question = (path, body)
            ask(anew: false)
        }
    }

    /// Of an answer that is no count.
    private var problem: Problem {
        UpstreamRefusal.problem(
            status: status, headers: headers, body: answer, at: exchange.core.flow.clock.now)
    }

    private func ask(anew: Bool) {
        (status, headers, answer) = (0, HeaderFields(), ByteBuffer())
        if !anew, let connection = exchange.loop.pool.idleConnection(to: deployment.endpoint) {
            mayRetry = true
            return send(on: connection)
        }
        mayRetry = false
        let bound = NIOLoopBound(self, eventLoop: exchange.loop.eventLoop)
        exchange.loop.pool.connect(to: deployment.endpoint).assumeIsolated().whenComplete { result in
            let counter = bound.value
            switch result {
            case .success(let connection) where counter.isOver: connection.cancel()
            case .success(let connection): counter.send(on: connection)
            case .failure: counter.fail(Problem(.upstreamUnreachable, retryAfter: 1))
            }
        }
    }

    private func send(on connection: UpstreamConnection) {
        guard let question else { return }
        self.connection = connection
        let credential = exchange.core.flow.credentials.credential(for: deployment)
        let extra = deployment.wire == .anthropic ? exchange.versionFields(operation) : []
        connection.send(
            UpstreamRequest(
                shape: UpstreamRequest.Shape(path: question.path, accept: "application/json", extra: extra),
                requestID: exchange.requestText,
                credential: credential.map { .init(name: $0.field, value: $0.value) }),
            body: question.body, to: self)
    }
}

extension TokenCounter: UpstreamReceiver {
    func upstreamDidReceive(status: Int, headers: HeaderFields) {
        self.status = status
        self.headers = headers
    }

    func upstreamDidReceive(_ bytes: ByteBuffer) {
        guard answer.readableBytes + bytes.readableBytes <= exchange.core.limits.maximumAnswer else {
            return fail(Problem(.upstreamInvalidResponse))
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
        guard !isOver else { return }
        if mayRetry, failure == .closedBeforeHead { return ask(anew: true) }
        fail(Problem(.upstreamUnreachable, retryAfter: 1))
    }
}

/// Which deployments are not asked to count for a while.
struct CountMutes {
    /// Of one that said that it cannot: a runtime that is replaced by one that can is noticed after so long.
    private static let time = TimeAmount.minutes(10)
    /// Of one that failed: requests that only may be too long do not wait for it meanwhile.
    private static let pause = TimeAmount.seconds(30)

    private var unable: [DeploymentID: NIODeadline] = [:]
    private var failed: [DeploymentID: NIODeadline] = [:]

    /// Whether it may be able to.
    func isAble(_ deployment: DeploymentID, at now: NIODeadline) -> Bool {
        unable[deployment].map { $0 <= now } ?? true
    }

    /// Whether it is worth a wait.
    func allows(_ deployment: DeploymentID, at now: NIODeadline) -> Bool {
        isAble(deployment, at: now) && failed[deployment].map { $0 <= now } ?? true
    }

    mutating func mute(_ deployment: DeploymentID, at now: NIODeadline) {
        Self.note(deployment, in: &unable, now, Self.time)
    }
    mutating func rest(_ deployment: DeploymentID, at now: NIODeadline) {
        Self.note(deployment, in: &failed, now, Self.pause)
    }

    /// Those that are gone are forgotten with the others.
    private static func note(
        _ deployment: DeploymentID, in table: inout [DeploymentID: NIODeadline], _ now: NIODeadline, _ time: TimeAmount
    ) {
        table = table.filter { $0.value > now }
        table[deployment] = now + time
    }
}
