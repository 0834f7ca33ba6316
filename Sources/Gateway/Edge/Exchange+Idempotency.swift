import Flows
import Inference
import Kernel
import Logging
import NIOCore
import NIOHTTP1
import Tenancy

/// Requests with an `Idempotency-Key`: each is carried out once, and its answer is durable before the client sees its
/// end.
///
/// 1. Authenticated, valid, routed and allowed, a request asks the store (`claiming`). It replays what is there, or
///    waits for a twin, or is carried out.
/// 2. The bytes that go out are held. A client that leaves changes nothing: the exchange goes on without it.
/// 3. At the end they go to the store (`settling`), and the client gets the last of them when they are durable.
///
/// What was refused before an upstream was asked is not kept, and neither is a refusal for a while, since "try again
/// later" must not be repeated for a day.
extension Exchange {
    // MARK: Before

    /// - Returns: whether the request has a key: `start` comes then when it is its turn.
    func claims(_ operation: Operation) throws(Problem) -> Bool {
        guard let text = head.headers.first(name: "idempotency-key") else { return false }
        guard let gate = core.idempotency, let principal else { return false }
        guard head.headers["idempotency-key"].count == 1 else {
            throw Problem(
                .validationError, "The header `Idempotency-Key` stands more than once.", parameter: "Idempotency-Key",
                hint: "Send it once.")
        }
        let key = IdempotencyKey(
            workspace: principal.workspace, route: "POST " + operation.path, text: try IdempotencyKey.check(text))
        phase = .claiming
        wait(atMost: GatewayLimits.claimTimeout)
        let keyed = KeyedAnswer(gate: gate)
        self.keyed = keyed
        let turn = KeyedTurn(exchange: NIOLoopBound(self, eventLoop: loop.eventLoop), interest: keyed.interest)
        let limit = Duration.nanoseconds((wholeDeadline - loop.turn.now).nanoseconds)
        let body = HeldBody(self.body)
        core.startTask {
            // Not on the loop: a long body takes milliseconds.
            let fingerprint = body.consume { gate.flow.fingerprint(target: key.route, body: $0) }
            await turn.run(KeyedRequest(key: key, fingerprint: fingerprint), within: limit, flow: gate.flow)
        }
        return true
    }

    fileprivate func twinIsAtWork() {
        guard case .claiming = phase else { return }
        keyed?.waitsForTwin = true
        // Bounded by the limit for the whole request.
        phaseDeadline = .distantFuture
    }

    fileprivate func leaseDidCome(_ continuation: CheckedContinuation<KeyedAnswer.Ending, Never>) {
        guard case .claiming = phase, let keyed, let operation else { return continuation.resume(returning: .dropped) }
        keyed.begin(continuation)
        do throws(Problem) {
            // Anew: there may have been much waiting.
            try start(choose(operation), operation)
        } catch {
            end(for: error)
        }
    }

    fileprivate func leaseWasLost() {
        guard !isEnded else { return }
        end(for: .twinTookOver)
    }

    /// The last that is heard of the key.
    fileprivate func keyedDidEnd(_ result: Result<IdempotencyResult<Void>, any Error>) {
        keyed?.letGo()
        switch (phase, result) {
        case (.claiming, .success(.replayed(let answer))): replay(answer)
        case (.claiming, .failure(let problem as Problem)): end(for: problem)
        case (.claiming, .failure(let error)):
            log(.error, "an idempotency key could not be claimed", ["error": "\(error)"])
            end(for: Problem(.internalError))
        case (.settling, .success(.carriedOut(_, .kept))): confirm(.store)
        case (.settling, .success(.carriedOut(_, .unconfirmed))):
            keyed?.giveUpKeeping()
            confirm(.store)
        case (.settling, .success(.carriedOut(_, .lost))): conclude(.twinTookOver, answer: nil)
        default: break
        }
    }

    private func replay(_ stored: StoredAnswer) {
        guard let gate = core.idempotency, gate.reserve(stored.body.count) else {
            return end(for: Problem(.overloaded, retryAfter: 1))
        }
        gate.didReplay()
        let end = edge.promiseOfEnd()
        end.futureResult.whenComplete { _ in gate.release(stored.body.count) }
        var answer = Answer(
            status: stored.status, contentType: stored.contentType, request: request,
            body: ByteBuffer(bytes: stored.body))
        answer.extra.add("idempotent-replayed", "true")
        if stored.contentType == "\(Self.streamType)" { answer.extra.add("cache-control", "no-cache") }
        core.logger.info("request replayed", metadata: logMetadata.merging(["status": "\(stored.status)"]) { $1 })
        give(answer, end: end)
    }

    // MARK: Without the client

    /// Goes on until the upstream has ended, for whoever asks again.
    func goOnAlone() {
        // The connection's limits are gone with it.
        loop.sweeper.add(self)
        guard isPaused else { return }
        isPaused = false
        wait(atMost: core.limits.idleTimeout)
        call?.resume()
    }

    // MARK: After

    /// The end of a keyed exchange: gives the answer to the store if it is one to be kept.
    func keep(_ keyed: KeyedAnswer, problem: Problem?, answer: ByteBuffer?, waitsForDisk: Bool) {
        keyed.interest.end()
        guard keyed.isAtWork else { return conclude(problem, answer: answer) }
        guard let ending = ending(of: keyed, problem: problem, answer: answer) else {
            keyed.letGo()
            keyed.end(.dropped)
            return waitsForDisk ? settle() : conclude(problem, answer: answer)
        }
        keyed.problem = problem
        keyed.awaited = waitsForDisk ? [.disk, .store] : .store
        wait(atMost: GatewayLimits.keepTimeout)
        // What came before the end need not wait for it.
        upstreamDidFinishReading()
        // The store may have the answer at once, and repeats it to whoever asks again: its usage must be there before.
        loop.turn.commit()
        keyed.end(ending)
        if waitsForDisk { whenSynced { $0.confirm(.disk) } }
    }

    /// The answer as the client gets it; nil when it is not kept.
    private func ending(of keyed: KeyedAnswer, problem: Problem?, answer: ByteBuffer?) -> KeyedAnswer.Ending? {
        guard sentAt != .distantPast else { return nil }
        let bytes: ByteBuffer?
        if let problem {
            guard isKept(problem) else { return nil }
            guard isHeadWritten else {
                let body = ByteBuffer(bytes: dialect.errorBody(problem, request: request))
                return keyed.whole(body).map {
                    .kept(status: problem.status, contentType: "application/json", $0)
                }
            }
            bytes = keyed.stream(endingWith: dialect.errorEvent(problem, request: request))
        } else if let answer {
            return keyed.whole(answer).map { .kept(status: 200, contentType: "application/json", $0) }
        } else {
            bytes = keyed.stream(endingWith: filter.terminal)
        }
        return bytes.map { .kept(status: 200, contentType: "\(Self.streamType)", $0) }
    }

    private func isKept(_ problem: Problem) -> Bool {
        switch problem.code {
        // Refusals for a while: whoever waits as told must not get them again.
        case .upstreamRateLimited, .providerDegraded: false
        // Nothing was charged, and another node can do it.
        case .shuttingDown: isHeadWritten
        // They are about one caller, or one connection.
        case .invalidAPIKey, .policyDenied, .idempotencyConflict, .validationError: false
        default: true
        }
    }

    private func confirm(_ part: KeyedAnswer.Awaited) {
        guard case .settling = phase, let keyed else { return }
        keyed.awaited.remove(part)
        if keyed.awaited.isEmpty { conclude(keyed.problem, answer: unsent) }
    }

    /// The store does not say whether it has the answer. The client gets it all the same: it was made, and is paid for.
    func concludeUnkept() {
        guard case .settling = phase, let keyed else { return }
        log(.error, "the store of idempotency keys does not confirm an answer", [:])
        keyed.giveUpKeeping()
        keyed.awaited = []
        conclude(keyed.problem, answer: unsent)
    }

    /// For an answer that its key will not bring back.
    func addUnkept(to lines: inout FieldLines) {
        if keyed?.isUnkept == true { lines.add("idempotent-stored", "false") }
    }
}

extension Exchange: Deadlined {
    /// The exchange's own, when its connection is gone.
    var deadline: NIODeadline { min(phaseDeadline, wholeDeadline) }
}

/// The way from the flow's task to the exchange's loop and back.
private struct KeyedTurn: Sendable {
    let exchange: NIOLoopBound<Exchange>
    let interest: Interest

    func run(_ request: KeyedRequest, within limit: Duration, flow: IdempotencyFlow) async {
        let waiter = IdempotencyWaiter(
            isThere: { interest.isThere }, waits: { onLoop { $0.twinIsAtWork() } })
        let result: Result<IdempotencyResult<Void>, any Error>
        do {
            result = .success(
                try await flow.run(request, within: limit, waiter: waiter, work: { await carryOut() }))
        } catch {
            result = .failure(error)
        }
        onLoop { $0.keyedDidEnd(result) }
    }

    private func carryOut() async -> IdempotencyOutcome<Void> {
        let ending = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in onLoop { $0.leaseDidCome(continuation) } }
        } onCancel: {
            onLoop { $0.leaseWasLost() }
        }
        switch ending {
        case .dropped: return .dropped(())
        case .kept(let status, let contentType, let bytes):
            let body = Array(bytes.readableBytesView)
            return .kept((), StoredAnswer(status: status, contentType: contentType, body: body))
        }
    }

    private func onLoop(_ body: @escaping @Sendable (Exchange) -> Void) {
        exchange.eventLoop.execute { body(exchange.value) }
    }
}
