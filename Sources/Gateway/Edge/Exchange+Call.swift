import Flows
import Inference
import Kernel
import Logging
import NIOCore

/// The call to the upstream: connection and request.
extension Exchange {
    func call(_ deployment: Deployment, _ operation: Operation) {
        attempt += 1
        sentAt = .distantPast
        isAttemptOpen = true
        open(deployment, operation) { $0.reach(deployment, operation) }
    }

    private func reach(_ deployment: Deployment, _ operation: Operation) {
        phase = .calling
        if deployment.endpoint.scheme == .builtIn {
            sentAt = loop.turn.now
            wait(atMost: core.limits.firstByteTimeout, from: sentAt)
            let call = EchoCall(
                eventLoop: loop.eventLoop, operation: operation.asked(over: deployment.wire), created: started)
            self.call = call
            return call.start(body: outgoing, isStream: facts.isStream, receiver: CallReceiver(self))
        }
        if !needsNewConnection, let connection = loop.pool.idleConnection(to: deployment.endpoint) {
            mayRetry = true
            return send(on: connection, deployment, operation)
        }
        mayRetry = false
        connect(deployment, operation)
    }

    private func connect(_ deployment: Deployment, _ operation: Operation) {
        wait(atMost: core.limits.firstByteTimeout)
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
        sentAt = loop.turn.now
        wait(atMost: core.limits.firstByteTimeout, from: sentAt)
        let asked = operation.asked(over: deployment.wire)
        let credential = core.flow.credentials.credential(for: deployment)
        let shape = UpstreamRequest.Shape(
            path: asked.path, accept: facts.isStream ? "text/event-stream" : "application/json",
            extra: extraFields(asked, operation, credential?.terms.attribution ?? []))
        toldCurrency = credential?.terms.costCurrency
        connection.send(
            UpstreamRequest(
                shape: shape, requestID: requestText,
                credential: credential.map { .init(name: $0.field, value: $0.value) }),
            body: outgoing, to: CallReceiver(self))
    }

    /// None, for most: nothing is added up then.
    private func extraFields(
        _ asked: Operation, _ operation: Operation, _ attribution: [ProviderTerms.Field]
    ) -> [UpstreamRequest.Shape.Field] {
        let version = asked == .messages ? versionFields(operation) : []
        return attribution.isEmpty ? version : version + attribution.map(ownField)
    }

    /// Which version of Anthropic's API is spoken: the client's where it speaks it itself, else the one that
    /// translations are made for.
    func versionFields(_ operation: Operation) -> [UpstreamRequest.Shape.Field] {
        let usual = UpstreamRequest.Shape.Field(name: "anthropic-version", value: "2023-06-01")
        guard operation == .messages else { return [usual] }
        let own = ["anthropic-version", "anthropic-beta"].compactMap { name in
            head.headers.first(name: name).map { UpstreamRequest.Shape.Field(name: name, value: $0) }
        }
        return own.contains { $0.name == usual.name } ? own : own + [usual]
    }

    /// The caller's own, where it says who it is.
    private func ownField(_ field: ProviderTerms.Field) -> UpstreamRequest.Shape.Field {
        .init(name: field.name, value: head.headers.first(name: field.name) ?? field.value)
    }

    func cancelCall() {
        noteUnsent()
        call?.cancel()
    }

    /// Nobody charges for a call that waited for its record until it was over.
    func noteUnsent() {
        if call?.isHeldBack == true { sentAt = .distantPast }
    }

    /// - Returns: whether the request went out again, so that the failure is nobody's.
    func retryAfterIdleClose(_ failure: UpstreamFailure) -> Bool {
        guard mayRetry, failure == .closedBeforeHead,
            loop.turn.now - sentAt < core.limits.idleCloseWindow.timeAmount,
            let deployment, let operation
        else { return false }
        call = nil
        attempts.append(
            Attempt(
                number: attempt, deployment: deployment.id, provider: deployment.provider, upstream: nil, cost: .none))
        // Others that are idle may be closing as well.
        needsNewConnection = true
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

    func upstreamDidReceive(status: Int, headers: HeaderFields) {
        current?.upstreamDidReceive(status: status, headers: headers)
    }

    func upstreamDidReceive(_ bytes: ByteBuffer) { current?.upstreamDidReceive(bytes) }
    func upstreamDidFinishReading() { current?.upstreamDidFinishReading() }
    func upstreamDidEnd() { current?.upstreamDidEnd() }
    func upstreamDidFail(_ failure: UpstreamFailure) { current?.upstreamDidFail(failure) }
}

extension Operation {
    /// The path of the operation, of OpenAI's or Anthropic's API.
    var path: String {
        switch self {
        case .chat: "/v1/chat/completions"
        case .completions: "/v1/completions"
        case .embeddings: "/v1/embeddings"
        case .messages: "/v1/messages"
        case .responses: "/v1/responses"
        }
    }
}
