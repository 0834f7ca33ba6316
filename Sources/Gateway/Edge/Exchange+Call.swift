import Flows
import Inference
import Kernel
import Logging
import NIOCore
import NIOHTTP1

/// The call to the upstream: connection, request, and one more try where that is safe.
extension Exchange {
    func call(_ deployment: Deployment, _ operation: Operation) {
        attempt += 1
        sentAt = .distantPast
        open(deployment, operation) { $0.reach(deployment, operation) }
    }

    private func reach(_ deployment: Deployment, _ operation: Operation) {
        phase = .calling
        wait(atMost: core.limits.firstByteTimeout)
        if deployment.endpoint.scheme == .builtIn {
            sentAt = loop.eventLoop.now
            let call = EchoCall(eventLoop: loop.eventLoop, operation: operation, created: started)
            self.call = call
            return call.start(body: body, isStream: facts.isStream, receiver: CallReceiver(self))
        }
        if attempt == 1, let connection = loop.pool.idleConnection(to: deployment.endpoint) {
            mayRetry = true
            return send(on: connection, deployment, operation)
        }
        mayRetry = false
        connect(deployment, operation)
    }

    private func connect(_ deployment: Deployment, _ operation: Operation) {
        loop.metrics.upstreamDidOpen()
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        // The pool's connections live on this loop, and so does the future.
        loop.pool.connect(to: deployment.endpoint).assumeIsolated().whenComplete { result in
            let exchange = bound.value
            switch result {
            case .success(let connection) where exchange.isEnded: connection.cancel()
            case .success(let connection): exchange.send(on: connection, deployment, operation)
            case .failure(let error): exchange.upstreamDidFail(Self.failure(of: error))
            }
        }
    }

    private static func failure(of error: any Error) -> UpstreamFailure {
        if let error = error as? ChannelError, case .connectTimeout = error { return .connectTimedOut }
        return .unreachable("\(error)")
    }

    private func send(on connection: UpstreamConnection, _ deployment: Deployment, _ operation: Operation) {
        call = connection
        sentAt = loop.eventLoop.now
        wait(atMost: core.limits.firstByteTimeout)
        var fields = [
            ("host", deployment.endpoint.authority), ("content-type", "application/json"),
            ("content-length", String(body.readableBytes)),
            ("accept", facts.isStream ? "text/event-stream" : "application/json"), ("user-agent", "volery"),
            ("x-request-id", request.description),
        ]
        if let authorization = core.flow.credentials.authorization(for: deployment) {
            fields.append(("authorization", authorization.reveal()))
        }
        let head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: deployment.endpoint.basePath + operation.path,
            headers: HTTPHeaders(fields))
        connection.send(head, body: body, to: CallReceiver(self))
    }

    /// - Returns: whether the request went out again, so that the failure is nobody's.
    func retryAfterIdleClose(_ failure: UpstreamFailure) -> Bool {
        guard mayRetry, failure == .closedBeforeHead,
            loop.eventLoop.now - sentAt < TimeAmount(core.limits.idleCloseWindow),
            let deployment, let operation
        else { return false }
        call = nil
        attempts.append(Attempt(number: attempt, deployment: deployment.id, upstream: nil, cost: .none))
        call(deployment, operation)
        return true
    }
}

/// Hands a call's news to its exchange as long as that call is the exchange's own.
private final class CallReceiver: UpstreamReceiver {
    private let exchange: Exchange
    private let attempt: Int

    init(_ exchange: Exchange) {
        self.exchange = exchange
        attempt = exchange.attempt
    }

    private var current: Exchange? { exchange.attempt == attempt && !exchange.isEnded ? exchange : nil }

    func upstreamDidReceive(status: Int, headers: HTTPHeaders) {
        current?.upstreamDidReceive(status: status, headers: headers)
    }

    func upstreamDidReceive(_ bytes: ByteBuffer) { current?.upstreamDidReceive(bytes) }
    func upstreamDidFinishReading() { current?.upstreamDidFinishReading() }
    func upstreamDidEnd() { current?.upstreamDidEnd() }
    func upstreamDidFail(_ failure: UpstreamFailure) { current?.upstreamDidFail(failure) }
}

extension Operation {
    /// OpenAI's path of the operation.
    var path: String {
        switch self {
        case .chat: "/v1/chat/completions"
        case .completions: "/v1/completions"
        case .embeddings: "/v1/embeddings"
        }
    }
}
