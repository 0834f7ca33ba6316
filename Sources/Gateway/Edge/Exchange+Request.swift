import Flows
import Inference
import Kernel
import Logging
import NIOCore
import Tenancy

/// From the request's head to the call: check, authenticate, read, route, rewrite.
extension Exchange {
    func begin() {
        wait(atMost: core.limits.bodyTimeout)
        // Needs no credential: a browser sends none with it.
        if route == .preflight { return }
        do throws(Problem) {
            try checkHead()
        } catch {
            return end(for: error)
        }
        checkKey()
    }

    func verify(_ text: String) {
        mustVerifyAgain = false
        let keys = core.flow.keys
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let (eventLoop, client) = (loop.eventLoop, client)
        core.startTask {
            let result: Result<KeyVerifier.Verdict, any Error>
            do {
                result = .success(try await keys.verify(text, from: client))
            } catch {
                result = .failure(error)
            }
            eventLoop.execute { bound.value.didVerify(result) }
        }
        verificationLimit = eventLoop.assumeIsolated().scheduleTask(in: keys.wait.timeAmount) { [self] in
            // What was proven before is better than a database that is silent.
            if let held = keys.giveUpWaiting(for: text) { didVerify(.success(held)) }
        }
    }

    private func checkHead() throws(Problem) {
        if case .wrongMethod(let allowed) = route {
            throw Problem(.methodNotAllowed, "\(head.method) is not possible here.", hint: "Use \(allowed).")
        }
        let headers = head.headers
        if headers.repeats("authorization") { throw .repeated("authorization") }
        if headers.repeats("x-api-key") { throw .repeated("x-api-key") }
        if headers.repeats("content-type") { throw .repeated("content-type") }
        guard operation != nil else { return }
        guard !core.isDraining else { throw Problem(.shuttingDown, retryAfter: 1) }
        // Without a text of it, as a rule.
        if headers.withFirst("content-type", { Self.isJSON($0) || Self.mayBeJSON($0) }) == false {
            throw Problem(.unsupportedMediaType, parameter: "Content-Type")
        }
        if headers.contains(name: "content-encoding") {
            throw Problem(
                .unsupportedMediaType, "A compressed body cannot be read here.", parameter: "Content-Encoding",
                hint: "Send the body as it is.")
        }
        if let length = head.contentLength {
            try checkBody(length)
        }
    }

    private static func isJSON(_ type: UnsafeRawBufferPointer) -> Bool { FieldText.isSame(type, "application/json") }

    /// Whether a body of this type may be JSON. Besides JSON's own that is what `curl -d` says of any body by itself.
    private static func mayBeJSON(_ type: UnsafeRawBufferPointer) -> Bool {
        let type = String(decoding: type, as: UTF8.self)
        let essence = type.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        return ["application/json", "application/x-www-form-urlencoded", "text/plain"].contains(essence)
            || essence.hasSuffix("+json")
    }

    private func checkBody(_ length: Int) throws(Problem) {
        guard length > core.limits.maximumBody else { return }
        throw Problem(
            .payloadTooLarge, "The body is larger than \(core.limits.maximumBody) bytes.",
            figures: [.init("limit_bytes", core.limits.maximumBody)])
    }

    // MARK: Body

    func receive(_ bytes: ByteBuffer) {
        guard case .receiving = phase else { return }
        do throws(Problem) {
            try checkBody(body.readableBytes + bytes.readableBytes)
            guard core.reserve(bodyBytes: bytes.readableBytes) else { throw Problem(.overloaded, retryAfter: 1) }
        } catch {
            return end(for: error)
        }
        bodyReserved += bytes.readableBytes
        if body.readableBytes == 0 { body = bytes } else { body.writeImmutableBuffer(bytes) }
    }

    func receiveEnd() {
        isReceived = true
        if route == .preflight { return answerPreflight() }
        proceed()
    }

    func didVerify(_ result: Result<KeyVerifier.Verdict, any Error>) {
        // The first verdict counts: another may come after this one was given up waiting for.
        guard !isEnded, principal == nil else { return }
        verificationLimit?.cancel()
        verificationLimit = nil
        if mustVerifyAgain, let token { return verify(token.text.reveal()) }
        switch result {
        case .success(.accepted(let principal)):
            self.principal = principal
            proceed()
        case .success(.refused): end(for: Problem(.invalidAPIKey, parameter: "Authorization"))
        case .failure(let problem as Problem): end(for: problem)
        case .failure(let error):
            log(.error, "a key could not be checked", ["error": "\(error)"])
            end(for: Problem(.internalError))
        }
    }

    var context: AccessContext { AccessContext(now: started, address: client) }

    /// Goes on when both the body and the verdict are there.
    private func proceed() {
        guard case .receiving = phase, isReceived, let principal else { return }
        do throws(Problem) {
            switch route {
            case .models: try answer(ModelListing.body(of: core.flow.models(for: principal, in: context)))
            case .model(let name):
                try answer(ModelListing.body(of: core.flow.model(named: name, for: principal, in: context)))
            case .inference(let operation): try prepare(operation)
            case .countTokens: try countForClient()
            case .wrongMethod, .preflight, .cold: throw Problem(.notFound)
            }
        } catch {
            end(for: error)
        }
    }

    private func prepare(_ operation: Operation) throws(Problem) {
        requestBytes = body.readableBytes
        tags = try RequestTags.read(head.headers)
        facts = try RequestReader.read(body, for: operation)
        let route = try choose(operation)
        guard try !claims(operation) else { return }
        try start(route, operation)
    }
}

extension Problem {
    fileprivate static func repeated(_ name: String) -> Problem {
        Problem(.validationError, "The header `\(name)` stands more than once.", parameter: name, hint: "Send it once.")
    }
}
