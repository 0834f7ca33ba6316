import Billing
import Flows
import Inference
import Kernel
import Logging
import NIOCore
import Tenancy

/// Between the choice of a deployment and the call: what the request may cost is set aside, and limits are asked.
///
/// 1. Memory decides, or `admitting` waits: for rules that are read, for a slice of a budget, at the wall.
/// 2. What was set aside stands in the journal's `open` and `close`, so that a killed platform's requests are settled
///    from where they were meant to be.
/// 3. The ticket ends once, with the record, before `close`, and is closed after it. Without an `open` it ends with
///    nothing.
///
/// A client that leaves while it waits ends the wait, also where it sent an `Idempotency-Key`: nothing was carried out.
/// A repeated answer takes no ticket: it costs nothing, and counts in no limit.
extension Exchange {
    /// For the candidate at this place. A ticket that covers it already is kept: one that was given back may be gone.
    func admit(at place: Int, _ operation: Operation) throws(Problem) {
        guard let principal, let deployment, let bounds = bounds(deployment) else {
            throw Problem(.authenticationRequired)
        }
        let admission = core.flow.admission
        let spender = Spender(
            tenant: principal.tenant, workspace: principal.workspace, key: principal.key,
            user: principal.principal.user)
        // Where nobody knows yet, the answer is bounded.
        let cap = cap(for: spender, bounds)
        let ceiling = bounds.ceiling(cap: cap)
        if let ticket {
            if billing.provider == deployment.provider, ceiling.isWithin(self.ceiling) {
                return try run(on: ticket, deployment, operation, cap: cap)
            }
            _ = ticket.end(nil)
            self.ticket = nil
        }
        self.ceiling = ceiling
        let request = AdmissionRequest(
            spender: spender, deployment: deployment, operation: operation, tags: tags,
            ceiling: ceiling, tokens: bounds.estimate(cap: cap), accepted: started)
        switch admission.admit(request) {
        case .admitted(let ticket): try run(on: ticket, deployment, operation, cap: cap)
        case .refused(let problem, let rates):
            self.rates = rates
            throw problem
        case .undecided: wait(for: request, cap: cap)
        }
    }

    /// What the workspace's routing caps an answer at whose caller names no cap.
    private var outputCap: Int? { chosen?.prepared.routing.outputCap }

    /// Nil where the caller's own will do, or none is needed.
    private func cap(for spender: Spender, _ bounds: RequestBounds) -> OutputCap? {
        if outputCap == nil, core.flow.admission.needsCap(spender) == false { return nil }
        return bounds.cap(outputCap ?? core.limits.defaultOutputCap)
    }

    func bounds(_ deployment: Deployment) -> RequestBounds? {
        operation.map { RequestBounds(facts, bytes: requestBytes, operation: $0, deployment: deployment) }
    }

    /// Whether nothing is carried out yet.
    var isAdmitting: Bool {
        switch phase {
        case .counting, .queued, .admitting: true
        case .receiving, .claiming, .pausing, .opening, .calling, .buffering, .streaming, .settling, .ended: false
        }
    }

    private func wait(for request: AdmissionRequest, cap: OutputCap?) {
        phase = .admitting
        wait(atMost: core.limits.admissionTimeout)
        let admission = core.flow.admission
        let waiting = AdmissionWait()
        admissionWait = waiting
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let eventLoop = loop.eventLoop
        core.startTask {
            let result = await waiting.run { try await admission.wait(request) }
            eventLoop.execute { bound.value.didDecide(result, on: request, cap: cap) }
        }
    }

    private func didDecide(
        _ result: Result<AdmissionAnswer, any Error>, on request: AdmissionRequest, cap: OutputCap?
    ) {
        guard case .admitting = phase else {
            // It was ended meanwhile, and the answer came all the same.
            if case .success(.admitted(let ticket)) = result { _ = ticket.end(nil) }
            return
        }
        admissionWait = nil
        do throws(Problem) {
            switch result {
            case .success(.admitted(let ticket)):
                let isFree = outputCap == nil && core.flow.admission.needsCap(request.spender) == false
                try run(on: ticket, request.deployment, request.operation, cap: isFree ? nil : cap)
            case .success(.refused(let problem, let rates)):
                self.rates = rates
                throw problem
            case .failure(let problem as Problem): throw problem
            case .success(.undecided), .failure(is CancellationError): throw Problem(.overloaded, retryAfter: 1)
            case .failure(let error):
                log(.error, "budgets and limits could not be asked", ["error": "\(error)"])
                throw Problem(.internalError)
            }
        } catch {
            // Who was asked before failed, and that is what the client has to know.
            end(for: passedOver ?? error)
        }
    }

    /// Calls the upstream. Whatever ends the exchange from here on ends the ticket.
    private func run(
        on ticket: any AdmissionTicket, _ deployment: Deployment, _ operation: Operation, cap: OutputCap?
    ) throws(Problem) {
        self.ticket = ticket
        rates = ticket.rates
        let hold = ticket.hold
        guard hold.parts.count <= Hold.maximumParts else {
            log(.error, "more budgets bind the request than its record can name", ["parts": "\(hold.parts.count)"])
            throw Problem(.internalError)
        }
        // Anew: there may have been much waiting.
        if let refusal = core.flow.journal.refusal { throw refusal }
        if !hasPlace {
            guard core.enter() else { throw Problem(.overloaded, retryAfter: 1) }
            hasPlace = true
        }
        billing = BillingFacts(
            tenant: principal?.tenant, user: principal?.principal.user, tags: tags, hold: hold,
            provider: deployment.provider)
        try rewrite(for: deployment, operation, cap: cap)
        journey.didCall()
        call(deployment, operation)
    }

    /// Makes the request that the deployment gets, in its own dialect, and gets ready for its answer.
    private func rewrite(for deployment: Deployment, _ operation: Operation, cap: OutputCap?) throws(Problem) {
        if operation.asked(over: deployment.wire) == operation {
            outgoing = RequestRewrite.rewrite(
                body, facts: facts, upstreamModel: deployment.upstreamModel, cap: cap,
                allocator: loop.memory.allocator)
            leftOut = []
        } else {
            let bounds = RequestBounds(facts, bytes: requestBytes, operation: operation, deployment: deployment)
            let translated = try RequestTranslation.translate(
                body, from: operation,
                terms: UpstreamTerms(
                    model: deployment.upstreamModel,
                    cap: cap?.tokens ?? bounds.translatedCap(outputCap ?? core.limits.defaultOutputCap),
                    capName: bounds.capName,
                    takesTopK: deployment.provider == nil),
                allocator: loop.memory.allocator)
            (outgoing, leftOut) = (translated.body, translated.leftOut)
        }
        let isOwnName = deployment.upstreamModel == deployment.model.text
        filter = AnswerStream(
            operation: operation, wire: deployment.wire,
            form: AnswerForm(
                wantsUsage: facts.wantsUsage, shownModel: isOwnName ? nil : deployment.model.text,
                created: started.seconds, fallbackID: requestText, showsThinking: facts.wantsThinking))
    }

    // MARK: After

    /// Gives back what was not used, and learns the price.
    func endTicket(with record: UsageRecord) {
        guard let ticket, !isTicketEnded else { return }
        isTicketEnded = true
        price = ticket.end(with: record)
    }

    /// The same where nothing was opened.
    func endTicket() {
        guard let ticket, !isTicketEnded else { return }
        isTicketEnded = true
        price = ticket.end(nil)
    }

    /// What the answer's head says of cost and limits.
    func addTerms(to lines: inout FieldLines) {
        AnswerTerms.add(price: price, remaining: ticket?.remaining, rates: rates, to: &lines)
    }

    /// A stream's head went out before its cost was known: for who asked for usage it stands in a comment, which
    /// clients pass over.
    var costComment: ByteBuffer {
        guard dialect == .openAI, let price, isHeadWritten, facts.wantsUsage else { return ByteBuffer() }
        return ByteBuffer(string: ": \(AnswerTerms.cost) \(price)\n\n")
    }
}
