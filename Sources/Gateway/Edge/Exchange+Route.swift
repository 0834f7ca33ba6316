import Billing
import Flows
import Inference
import Kernel
import Logging
import NIOCore
import NIOHTTP1
import Tenancy

/// Which deployment is asked, and who next when it does not answer.
///
/// 1. The router says who could answer, in which order. Where all are full, the exchange waits in line (`queued`).
/// 2. It takes a place at the first that has one, and asks budgets and limits for what it may cost there.
/// 3. A call that brings nothing that can be passed on is ended, its place left, and the next candidate asked, after a
///    pause (`pausing`) where it is one that failed before. Once the head of an answer is written nobody else is asked.
///
/// Every call is an attempt of the usage record, also one that may have cost something and brought nothing.
extension Exchange {
    // MARK: Choosing

    /// Who could answer, as far as the key may use it. Nothing is taken yet.
    /// - Parameter isCounting: nothing is to be answered, so that it fits everywhere.
    func choose(_ operation: Operation, isCounting: Bool = false) throws(Problem) -> RequestRoute {
        guard let principal else { throw Problem(.authenticationRequired) }
        let route = try core.flow.route(question(operation, isCounting), holder: principal, in: context)
        self.chosen = route
        guard !route.decision.order.isEmpty || route.isFull else { throw route.refusal }
        return route
    }

    private func question(_ operation: Operation, _ isCounting: Bool) throws(Problem) -> RouteQuestion {
        let bounds = RequestBounds(facts, bytes: requestBytes, operation: operation, deployment: nil)
        var likely = Quantities()
        likely.requests = 1
        likely.input = Int64(bounds.likelyInput)
        likely.output = Int64(bounds.expectedOutput)
        return RouteQuestion(
            model: facts.model, operation: operation, needs: facts.needs,
            leastInput: isCounting ? 0 : bounds.leastInput, isCounted: facts.countedInput != nil,
            outputCap: operation == .embeddings || isCounting ? nil : facts.outputCap, likely: likely,
            seed: request.ulid.low,
            priority: try RequestPriorityField.read(head.headers))
    }

    /// Asks the first candidate that has a place.
    func start(_ route: RequestRoute, _ operation: Operation) throws(Problem) {
        if let refusal = core.flow.journal.refusal { throw refusal }
        guard core.hasRoom(for: route.priority) else { throw Problem(.overloaded, retryAfter: 1) }
        guard !counts(route, operation) else { return }
        route.service.state.didBegin(at: loop.turn.uptime)
        if route.service.state.isAhead(of: route.priority) { return try wait(inLineOf: route) }
        try enter(route, operation)
    }

    private func enter(_ route: RequestRoute, _ operation: Operation) throws(Problem) {
        chosen = route
        journey = Journey(order: route.decision.order, most: route.prepared.routing.mostAttempts)
        guard let place = nextPlace() else {
            if route.isFull || !route.decision.order.isEmpty { return try wait(inLineOf: route) }
            throw route.refusal
        }
        try admit(at: place, operation)
    }

    /// The next candidate with a place, which is taken.
    private func nextPlace() -> Int? {
        guard let chosen else { return nil }
        while let place = journey.first() {
            if take(place, of: chosen) { return place }
        }
        return nil
    }

    private func take(_ place: Int, of route: RequestRoute) -> Bool {
        let state = route.service.states[place]
        guard state.enter(at: loop.turn.uptime) else { return false }
        self.place = place
        placeTaken = state
        deployment = route.service.deployments[place]
        return true
    }

    /// Gives the place at the deployment back, and tells who waits for one.
    func leavePlace(_ outcome: CallOutcome) {
        guard let state = placeTaken else { return }
        placeTaken = nil
        state.leave(outcome, at: loop.turn.uptime)
        loop.metrics.didCall(state.id, outcome)
        chosen?.service.state.wakeNext()
    }

    // MARK: Waiting in line

    private func wait(inLineOf route: RequestRoute) throws(Problem) {
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let eventLoop = loop.eventLoop
        let waiter: ServiceState.Waiter = { turn in
            eventLoop.execute { bound.value.turnDidCome(turn) }
        }
        if let lineTicket {
            route.service.state.rejoin(lineTicket, waiter)
        } else {
            guard let ticket = route.service.state.join(route.priority, waiter) else {
                loop.metrics.didShed(route.priority)
                throw Problem(
                    .overloaded, "All deployments of `\(route.service.deployments[0].model)` are busy.",
                    parameter: "model", retryAfter: 1)
            }
            lineTicket = ticket
            wait(atMost: core.limits.queueTimeout)
        }
        chosen = route
        phase = .queued
    }

    private func turnDidCome(_ turn: ServiceState.Turn) {
        guard case .queued = phase, let route = chosen, let operation else {
            // It left meanwhile: the place is the next one's.
            if turn == .mayEnter { chosen?.service.state.wakeNext() }
            return
        }
        do throws(Problem) {
            guard turn == .mayEnter else {
                lineTicket = nil
                loop.metrics.didShed(route.priority)
                throw Problem(.overloaded, "A request of a higher priority came.", retryAfter: 1)
            }
            route.decide(at: loop.turn.uptime)
            guard !route.decision.order.isEmpty || route.isFull else { throw route.refusal }
            try enter(route, operation)
        } catch {
            end(for: error)
        }
    }

    /// Whatever ends the exchange takes it out of the line.
    func leaveLine() {
        guard let lineTicket, case .queued = phase else { return }
        self.lineTicket = nil
        chosen?.service.state.leave(lineTicket)
    }

    // MARK: The next one

    /// A call brought nothing that can be passed on: asks somebody else, or ends with `problem`.
    func callFailed(_ failure: CallFailure, _ problem: Problem) {
        guard let chosen, !isHeadWritten, !isEnded, attempt > 0 else { return end(for: problem) }
        let uptime = loop.turn.uptime
        let step = journey.step(after: failure, at: place, random: request.ulid.low &+ UInt64(attempt)) {
            chosen.service.state.mayRetry(at: uptime)
        }
        guard case .call(var next, let pause) = step, isClientThere || keyed != nil else { return end(for: problem) }
        endAttempt(failure)
        loop.metrics.didRetry(isElsewhere: next != place)
        passedOver = problem
        guard pause == .zero else { return self.pause(pause, then: next, problem) }
        while !take(next, of: chosen) {
            guard let other = journey.first() else { return end(for: problem) }
            next = other
        }
        carryOn(problem)
    }

    /// What is known of the call that failed goes into the record.
    private func endAttempt(_ failure: CallFailure) {
        cancelCall()
        call = nil
        if let deployment { attempts.append(lastAttempt(.failed, of: deployment)) }
        log(.info, "another call is made", ["after": "\(failure)", "attempt": "\(attempt)"])
        (isAttemptOpen, needsNewConnection) = (false, false)
        leavePlace(failure.outcome)
        (upstreamStatus, upstreamHeaders, sentAt) = (0, HeaderFields(), .distantPast)
        buffered = nil
    }

    private func pause(_ time: Duration, then place: Int, _ problem: Problem) {
        phase = .pausing
        // Bounded by the limit for the whole request.
        phaseDeadline = .distantFuture
        loop.eventLoop.assumeIsolated().scheduleTask(in: time.timeAmount) { [self] in
            guard case .pausing = phase, let chosen else { return }
            guard take(place, of: chosen) else { return end(for: problem) }
            carryOn(problem)
        }
    }

    /// Calls the deployment that the place was taken at, once what it may cost there is set aside.
    private func carryOn(_ problem: Problem) {
        guard let operation else { return }
        do throws(Problem) {
            try admit(at: place, operation)
        } catch {
            // Who was asked before failed, and that is what the client has to know.
            end(for: problem)
        }
    }

    // MARK: Figures

    /// The first byte that can be passed on is here.
    func noteFirstByte() {
        let uptime = loop.turn.uptime
        firstByteAt = uptime
        guard facts.isStream, sentAt != .distantPast else { return }
        placeTaken?.note(firstToken: .nanoseconds((loop.turn.now - sentAt).nanoseconds), at: uptime)
    }

    /// How long each token took, of an answer that is whole.
    func notePace(_ usage: Usage) {
        guard sentAt != .distantPast, usage.outputTokens > 0 else { return }
        let uptime = loop.turn.uptime
        if facts.isStream {
            guard let firstByteAt, usage.outputTokens > 1 else { return }
            placeTaken?.note(perToken: (uptime - firstByteAt) / (usage.outputTokens - 1), at: uptime)
        } else {
            // Divided as an integer: times are of 128 bits.
            let whole = (loop.turn.now - sentAt).nanoseconds
            placeTaken?.note(perToken: .nanoseconds(whole / Int64(usage.outputTokens)), at: uptime)
        }
    }
}

/// `volery-priority: low`: a caller's own place among those who wait.
enum RequestPriorityField {
    static let header = "volery-priority"

    static func read(_ headers: some HeaderLookup) throws(Problem) -> RequestPriority? {
        guard let text = headers.first(name: header) else { return nil }
        guard let priority = RequestPriority(rawValue: text.lowercased()) else {
            throw Problem(
                .validationError, "The header `\(header)` is none of low, normal, high.", parameter: header,
                hint: "Leave it out for the workspace's own; a request may only ask for less.")
        }
        return priority
    }
}
