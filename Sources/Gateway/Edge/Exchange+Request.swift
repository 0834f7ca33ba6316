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
        guard let token = bearerToken else {
            return end(for: Problem(.authenticationRequired, parameter: "Authorization"))
        }
        let keys = core.flow.keys
        if let known = keys.cached(token) {
            if known.wantsRenewal {
                let text = String(token)
                // Nobody waits for it: its outcome is in the cache, for the next request.
                core.startTask { _ = try? await keys.verify(text) }
            }
            if case .refused = known.verdict { return end(for: keys.refusal(from: client)) }
            return didVerify(.success(known.verdict))
        }
        verify(String(token))
    }

    private func verify(_ text: String) {
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
        verificationLimit = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(keys.wait)) { [self] in
            // What was proven before is better than a database that is silent.
            if let held = keys.giveUpWaiting(for: text) { didVerify(.success(held)) }
        }
    }

    /// Anthropic's clients send the key in a field of its own.
    private var bearerToken: Substring? {
        if let header = head.headers.first(name: "authorization") { return Self.bearerToken(in: header) }
        guard operation == .messages else { return nil }
        return head.headers.first(name: "x-api-key").flatMap { $0.isEmpty ? nil : $0[...] }
    }

    private static func bearerToken(in header: String) -> Substring? {
        let bytes = header.utf8
        // By bytes: characters of a text cost more than all the rest of the check.
        guard bytes.count > 7, zip(bytes, "bearer ".utf8).allSatisfy({ $0 == $1 || $0 | 0x20 == $1 }) else {
            return nil
        }
        let token = bytes.dropFirst(7).drop { $0 == UInt8(ascii: " ") }
        return token.isEmpty ? nil : Substring(token)
    }

    private func checkHead() throws(Problem) {
        if case .wrongMethod(let allowed) = route {
            throw Problem(.methodNotAllowed, "\(head.method) is not possible here.", hint: "Use \(allowed).")
        }
        for name in ["authorization", "x-api-key", "content-type"] where head.headers.count(name: name) > 1 {
            throw Problem(
                .validationError, "The header `\(name)` stands more than once.", parameter: name, hint: "Send it once.")
        }
        guard operation != nil else { return }
        guard !core.isDraining else { throw Problem(.shuttingDown, retryAfter: 1) }
        if let type = head.headers.first(name: "content-type"), !Self.mayBeJSON(type) {
            throw Problem(.unsupportedMediaType, parameter: "Content-Type")
        }
        if head.headers.contains(name: "content-encoding") {
            throw Problem(
                .unsupportedMediaType, "A compressed body cannot be read here.", parameter: "Content-Encoding",
                hint: "Send the body as it is.")
        }
        if let length = head.contentLength {
            try checkBody(length)
        }
    }

    /// Whether a body of this type may be JSON. Besides JSON's own that is what `curl -d` says of any body by itself.
    private static func mayBeJSON(_ type: String) -> Bool {
        if type == "application/json" { return true }
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

    private func didVerify(_ result: Result<KeyVerifier.Verdict, any Error>) {
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

    /// The key's token, as far as the request carries one of the right form.
    var token: KeyToken? {
        bearerToken.flatMap { KeyToken($0) }
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
