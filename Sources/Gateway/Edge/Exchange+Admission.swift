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
    func start(_ deployment: Deployment, _ operation: Operation) throws(Problem) {
        if let refusal = core.flow.journal.refusal { throw refusal }
        guard let principal, let bounds = bounds(deployment) else { throw Problem(.authenticationRequired) }
        self.deployment = deployment
        let admission = core.flow.admission
        let spender = Spender(
            tenant: principal.tenant, workspace: principal.workspace, key: principal.key,
            user: principal.principal.user)
        // Where nobody knows yet, the answer is bounded.
        let cap = admission.needsCap(spender) == false ? nil : bounds.cap(core.limits.defaultOutputCap)
        let request = AdmissionRequest(
            spender: spender, deployment: deployment, operation: operation, tags: tags,
            ceiling: bounds.ceiling(cap: cap), tokens: bounds.estimate(cap: cap), accepted: started)
        switch admission.admit(request) {
        case .admitted(let ticket): try run(on: ticket, deployment, operation, cap: cap)
        case .refused(let problem, let rates):
            self.rates = rates
            throw problem
        case .undecided: wait(for: request, cap: cap)
        }
    }

    func bounds(_ deployment: Deployment) -> RequestBounds? {
        operation.map { RequestBounds(facts, bytes: requestBytes, operation: $0, deployment: deployment) }
    }

    var isAdmitting: Bool { if case .admitting = phase { true } else { false } }

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
                let isFree = core.flow.admission.needsCap(request.spender) == false
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
            end(for: error)
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
        guard core.enter() else { throw Problem(.overloaded, retryAfter: 1) }
        hasPlace = true
        billing = BillingFacts(
            tenant: principal?.tenant, user: principal?.principal.user, tags: tags, hold: hold,
            provider: deployment.provider)
        body = RequestRewrite.rewrite(
            body, facts: facts, upstreamModel: deployment.upstreamModel, cap: cap, allocator: edge.channel.allocator)
        let shownModel = deployment.upstreamModel == deployment.model.text ? nil : deployment.model.text
        filter = StreamFilter(wantsUsage: facts.wantsUsage, model: shownModel)
        call(deployment, operation)
    }

    // MARK: After

    /// Gives back what was not used, and learns the price.
    /// - Parameter record: nil when nothing was opened.
    func endTicket(_ record: UsageRecord?) {
        guard let ticket, !isTicketEnded else { return }
        isTicketEnded = true
        price = ticket.end(record)
    }

    /// What the answer's head says of cost and limits.
    var terms: [(String, String)] {
        let remaining = ticket?.remaining
        if price == nil, remaining == nil, rates.isEmpty { return [] }
        return AnswerTerms.fields(price: price, remaining: remaining, rates: rates)
    }

    /// A stream's head went out before its cost was known: for who asked for usage it stands in a comment, which
    /// clients pass over.
    var costComment: ByteBuffer {
        guard let price, isHeadWritten, facts.wantsUsage else { return ByteBuffer() }
        return ByteBuffer(string: ": \(AnswerTerms.cost) \(price)\n\n")
    }
}
