import Flows
import Inference
import Kernel
import Logging
import NIOCore
import NIOHTTP1
import Tenancy

/// The end of every exchange: the record first, then the bytes that tell the client it is over.
extension Exchange {
    /// An answer of the gateway's own that uses no model.
    func answer(_ body: ByteBuffer) {
        let isLong = body.readableBytes > ResponseEncoder.mostCopied
        give(
            Answer(status: 200, contentType: "application/json", request: request, body: body),
            end: isLong ? edge.promiseOfEnd() : nil)
    }

    /// Whether and what a page of that origin may send.
    func answerPreflight() {
        var answer = Answer(status: 204, contentType: "", request: request, body: ByteBuffer())
        answer.extra.add(core.headers.origins.preflightFields(for: head.headers))
        give(answer)
    }

    /// Ends a wholly received request with an answer for which nothing was called.
    /// - Parameter end: `edge.promiseOfEnd()`, for a long one.
    func give(_ answer: Answer, end: EventLoopPromise<Void>? = nil) {
        phase = .ended
        edge.exchangeWillEnd(isReceived: true, closes: !keepsAlive)
        var answer = answer
        answer.version = head.version
        core.headers.add(to: &answer.extra, for: head.headers)
        if let writer = edge.writer { answer.write(to: writer, closes: !keepsAlive, end: end) } else { end?.succeed() }
        if !keepsAlive { edge.closeWhenWritten() }
        letGoOfUpstream()
        leave()
        edge.exchangeDidEnd()
    }

    /// - Parameters:
    ///   - problem: what the client is told, when it did not end well.
    ///   - body: the whole answer, when it is not a stream.
    func finish(_ status: RequestStatus, problem: Problem?, body answer: ByteBuffer? = nil) {
        guard !isEnded else { return }
        leaveLine()
        phase = .settling
        letGoOfUpstream()
        var used: Usage?
        var latency: Duration?
        // Without an attempt nothing was opened, and nothing is closed.
        if attempt > 0, let principal, let deployment, let operation {
            let record = makeRecord(status, problem, principal, deployment, operation)
            (used, latency) = (record.usage, record.latency)
            close(record, problem)
        } else {
            leavePlace(outcome(status, problem))
            endTicket()
            if let problem {
                loop.metrics.refused(problem.code)
                keepRoute()
            }
        }
        let waits = used != nil && waitsForDisk(problem)
        if waits || keyed != nil { unsent = answer }
        if let keyed {
            keep(keyed, problem: problem, answer: answer, waitsForDisk: waits)
        } else if waits {
            settle()
        } else {
            conclude(problem, answer: answer)
        }
        logEnd(used == nil ? .refused : .ended(status), problem, latency: latency, usage: used)
    }

    /// Written before the client can know that it has everything: a complete answer without a row cannot be.
    private func close(_ record: UsageRecord, _ problem: Problem?) {
        if record.status == .succeeded { notePace(record.usage) }
        leavePlace(outcome(record.status, problem))
        endTicket(with: record)
        core.flow.journal.note(record)
        loop.turn.didNote()
        ticket?.close()
        loop.metrics.finished(record)
    }

    /// The last step of every exchange that had a body: tells the client, if it is still there.
    func conclude(_ problem: Problem?, answer: ByteBuffer?) {
        phase = .ended
        unsent = nil
        // Before the bytes: they may bring the next request, which needs a place.
        leave()
        if keyed != nil { loop.sweeper.remove(self) }
        if isClientThere { writeEnd(problem: problem, answer: answer) }
    }

    private func leave() {
        if hasPlace { core.leave() }
        hasPlace = false
    }

    private func letGoOfUpstream() {
        verificationLimit?.cancel()
        verificationLimit = nil
        admissionWait?.cancel()
        admissionWait = nil
        counter?.cancel()
        counter = nil
        call = nil
        buffered = nil
        letGoOfBody()
    }

    func letGoOfBody() {
        core.release(bodyBytes: bodyReserved)
        bodyReserved = 0
        body = ByteBuffer()
        outgoing = ByteBuffer()
    }

    // MARK: Bytes

    /// An HTTP/1.0 client is never kept: without chunks, only the close tells it where a stream ends.
    var keepsAlive: Bool {
        head.isKeepAlive && isReceived && !head.version.isBeforeOneOne && !core.isDraining && !edge.isQuiescing
    }

    /// The head of a good answer.
    /// - Parameters:
    ///   - length: of the body; nil for a stream.
    ///   - extra: adds what this answer alone has.
    func writeHead(type: StaticString, length: Int? = nil, extra: (inout FieldLines) -> Void = { _ in }) {
        edge.writer?.begin(.ok, head.version.answering, length: length) { lines in
            addStart(type, to: &lines)
            extra(&lines)
            addTerms(to: &lines)
            core.headers.add(to: &lines, for: head.headers)
            if let warning { lines.add("volery-warning", warning) }
            if !keepsAlive { lines.add("connection", "close") }
        }
        isHeadWritten = true
    }

    /// What every good answer has, with one look at the room for it.
    private func addStart(_ type: StaticString, to lines: inout FieldLines) {
        let (request, route) = (requestText, deployment?.idText)
        let texts = type.utf8CodeUnitCount + request.utf8.count + (route?.utf8.count ?? 0)
        lines.add(most: 64 + texts) { cursor in
            cursor.put("content-type: ")
            cursor.put(type)
            cursor.put("\r\nx-request-id: ")
            cursor.put(text: request)
            if let route {
                cursor.put("\r\nvolery-route: ")
                cursor.put(text: route)
            }
            cursor.put("\r\n")
        }
    }

    /// Who answered, or was asked last.
    private func addRoute(to lines: inout FieldLines) {
        if let deployment { lines.add("volery-route", deployment.idText) }
    }

    /// Told where a model takes part of a request and cannot do all of it.
    private var warning: String? {
        if !leftOut.isEmpty {
            return "left out, since it has no counterpart where the model is served: \(leftOut.joined(separator: ", "))"
        }
        guard facts.offersTools, let deployment, !deployment.capabilities.contains(.tools) else { return nil }
        return "tools: the model \(deployment.model) cannot call tools; they were passed on and may be ignored"
    }

    private func writeEnd(problem: Problem?, answer: ByteBuffer?) {
        guard let writer = edge.writer else { return }
        if let problem, !isHeadWritten {
            // Nothing more is coming from a client that was too slow; waiting for it would only hold the connection.
            let isOver = isReceived || problem.code == .requestTimeout
            edge.exchangeWillEnd(isReceived: isOver, closes: !keepsAlive)
            var answer = Answer.problem(problem, request: request, in: dialect)
            answer.version = head.version
            addRoute(to: &answer.extra)
            addTerms(to: &answer.extra)
            addUnkept(to: &answer.extra)
            core.headers.add(to: &answer.extra, for: head.headers)
            if case .wrongMethod(let allowed) = route { answer.extra.add("allow", allowed) }
            answer.write(to: writer, closes: !keepsAlive)
            if isOver, !keepsAlive { edge.closeWhenWritten() }
            return edge.exchangeDidEnd()
        }
        var last = ByteBuffer()
        if let problem {
            last = costComment
            last.writeImmutableBuffer(dialect.errorEvent(problem, request: request))
        } else if let answer {
            writeHead(type: "application/json", length: answer.readableBytes, extra: addUnkept)
            last = answer
        } else {
            if !isHeadWritten { writeHead(type: Self.streamType) }
            last = costComment
            last.writeImmutableBuffer(filter.terminal)
        }
        let closes = !keepsAlive || problem != nil
        writer.add(last)
        let isLong = answer.map { $0.readableBytes > ResponseEncoder.mostCopied } ?? true
        let end = isLong ? edge.promiseOfEnd() : nil
        edge.exchangeWillEnd(isReceived: isReceived, closes: closes)
        writer.end(end)
        writer.flush()
        if closes { edge.closeWhenWritten() }
        edge.exchangeDidEnd()
    }

    static let streamType: StaticString = "text/event-stream; charset=utf-8"

    // MARK: Record

    private func makeRecord(
        _ status: RequestStatus, _ problem: Problem?, _ principal: KeyHolder, _ deployment: Deployment,
        _ operation: Operation
    ) -> UsageRecord {
        let seenStatus: Int =
            if isHeadWritten { 200 } else if !isClientThere { 0 } else { problem?.status ?? 200 }
        return UsageRecord(
            request: request, clientRequest: clientRequest, workspace: principal.workspace, key: principal.key,
            operation: operation, model: deployment.model.text, deployment: deployment.id, isStream: facts.isStream,
            status: status, httpStatus: seenStatus, errorCode: problem?.code.rawValue,
            usage: usage(status, of: deployment), started: started, latency: loop.turn.uptime - startedUptime,
            firstToken: firstByteAt.map { $0 - startedUptime }, billing: billing,
            attempts: madeAttempts(status, deployment), route: routeRecord)
    }

    private func madeAttempts(_ status: RequestStatus, _ deployment: Deployment) -> [Attempt] {
        guard isAttemptOpen else { return attempts }
        let last = lastAttempt(status, of: deployment)
        // As a rule it is the only one.
        return attempts.isEmpty ? [last] : attempts + [last]
    }

    /// Why nobody was called, where the router was asked: no usage row brings it.
    private func keepRoute() {
        guard let routes = core.routes, let chosen, let principal else { return }
        let record = chosen.record
        guard !record.isEmpty else { return }
        routes.note(
            StoredRoute(
                request: request, workspace: principal.workspace, key: principal.key, accepted: started,
                record: record))
    }

    /// What the runtime reported, else what can be told from what passed through here.
    func usage(_ status: RequestStatus, of deployment: Deployment) -> Usage {
        if var usage = filter.usage {
            if deployment.wire == .echo { usage.source = .counted }
            return usage
        }
        // Nothing was sent, so nothing was used.
        if deployment.wire != .echo, sentAt == .distantPast { return .none }
        switch status {
        case .failed, .rejected, .interrupted: return .none
        case .timedOut where filter.contentEvents == 0: return .none
        case .succeeded, .clientClosed, .truncated, .timedOut:
            let bounds = bounds(deployment)
            return Usage(
                inputTokens: filter.tally.inputTokens ?? bounds?.likelyInput ?? 0,
                outputTokens: bounds?.likelyOutput(seen: filter.likelyOutput) ?? filter.likelyOutput,
                source: .estimated)
        }
    }

    func lastAttempt(_ status: RequestStatus, of deployment: Deployment) -> Attempt {
        let own = ["x-request-id", "request-id"].lazy.compactMap { [upstreamHeaders] in upstreamHeaders.first(name: $0)
        }
        let upstream = filter.upstreamID ?? own.first { $0 != requestText }
        return Attempt(
            number: attempt, deployment: deployment.id, provider: deployment.provider, upstream: upstream,
            cost: cost(status), told: told)
    }

    private var told: Money? {
        guard let toldCurrency, toldCurrency.ledgerScale == ToldCost.scale else { return nil }
        return filter.tally.toldCost.map { Money(units: $0, toldCurrency) }
    }

    /// What the end of the exchange tells of the deployment.
    private func outcome(_ status: RequestStatus, _ problem: Problem?) -> CallOutcome {
        if status == .succeeded || status == .rejected { return .answered }
        switch problem?.code {
        case .upstreamRateLimited, .providerDegraded: return .overloaded
        case .upstreamError, .upstreamUnreachable, .upstreamInvalidResponse, .upstreamTruncated, .upstreamTimeout:
            return .failed
        default: return firstByteAt == nil ? .unknown : .answered
        }
    }

    /// What is known of the last call's cost to us.
    private func cost(_ status: RequestStatus) -> Attempt.Cost {
        if filter.usage != nil { return .confirmed }
        // Nothing was sent, or it was refused: nobody charges for that.
        let isRefused = (400..<500).contains(upstreamStatus) || upstreamStatus == 503 || upstreamStatus == 529
        if sentAt == .distantPast || isRefused { return .none }
        switch status {
        case .succeeded: return .estimated
        case .rejected, .failed, .interrupted: return .unknown
        case .clientClosed, .truncated, .timedOut: return filter.contentEvents > 0 ? .estimated : .unknown
        }
    }

    // MARK: Log

    func log(_ level: Logger.Level, _ message: Logger.Message, _ details: [String: String]) {
        core.logger.log(level: level, message, metadata: logMetadata.merging(details.mapValues { .string($0) }) { $1 })
    }

    var logMetadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["request_id": .stringConvertible(request)]
        if let principal { metadata["workspace_id"] = .stringConvertible(principal.workspace) }
        if let deployment {
            metadata["model"] = .string(deployment.model.text)
            metadata["route"] = .stringConvertible(deployment.id)
        }
        return metadata
    }

    /// - Parameters:
    ///   - latency: nil where nothing was called.
    ///   - usage: likewise.
    private func logEnd(_ outcome: AccessEntry.Outcome, _ problem: Problem?, latency: Duration?, usage: Usage?) {
        guard let accessLog = core.accessLog else { return }
        accessLog.ended(
            AccessEntry(
                request: requestText, outcome: outcome, workspace: principal?.workspace,
                model: deployment?.model.text, route: deployment?.idText, operation: operation?.rawValue ?? "models",
                code: problem?.code, latency: latency ?? loop.turn.uptime - startedUptime, price: price,
                usage: usage))
    }
}
