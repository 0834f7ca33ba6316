import Billing
import Flows
import Inference
import Kernel
import TestKit

/// What an exchange of the gateway does, in its order: what the request may cost is set aside, `open` is written before
/// anything reaches the upstream, `progress` before content goes on, the ticket ends with the record, and `close` comes
/// after it.
extension MoneyNode {
    private static let steps = 4

    /// - Returns: false when nobody listens.
    func take(_ plan: MoneyPlan.Request) -> Bool {
        guard process.isAlive, isAccepting, let parts else { return false }
        running += 1
        let track = RequestTrack(
            plan, request: parts.ids.next(), node: record.index, life: life, accepted: clock.now)
        world.asked(track)
        process.start { [self] in
            await exchange(track, parts)
            running -= 1
        }
        return true
    }

    private func exchange(_ track: RequestTrack, _ parts: Parts) async {
        let deployment = world.town.deployment(of: track.plan.model)
        var ceiling = Quantities()
        ceiling.input = Int64(track.plan.prompt)
        ceiling.output = Int64(track.plan.cap)
        ceiling.requests = 1
        let request = AdmissionRequest(
            spender: world.town.spender(in: track.plan.place), deployment: deployment, operation: .chat, tags: [],
            ceiling: ceiling, tokens: Int64(track.plan.prompt + track.plan.cap), accepted: track.accepted)
        var answer: AdmissionAnswer? = parts.admission.admit(request)
        if case .undecided = answer {
            track.hasWaited = true
            answer = await wait(for: request, track, parts)
        }
        guard process.isAlive else { return }
        switch answer {
        case .admitted(let ticket): await run(ticket, track, parts)
        case .refused(let problem, _): world.refused(track, problem)
        case .undecided: world.fail("\(track.name) was never decided")
        case nil: world.left(track)
        }
    }

    /// - Returns: nil when the client left before.
    private func wait(for request: AdmissionRequest, _ track: RequestTrack, _ parts: Parts) async -> AdmissionAnswer? {
        guard let patience = track.plan.patience else {
            do {
                return try await parts.admission.wait(request)
            } catch {
                if process.isAlive { world.fail("\(track.name) was cancelled by nobody: \(error)") }
                return nil
            }
        }
        let clock = clock
        return await withTaskGroup(of: AdmissionAnswer?.self) { group in
            group.addTask { try? await parts.admission.wait(request) }
            group.addTask {
                try? await clock.sleep(for: .milliseconds(patience))
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            // It may be admitted all the same, and nobody is there any more.
            for await late in group {
                if case .admitted(let ticket)? = late { _ = ticket.end(nil) }
            }
            return first
        }
    }

    // MARK: Running

    private func run(_ ticket: any AdmissionTicket, _ track: RequestTrack, _ parts: Parts) async {
        world.admitted(track, ticket.hold)
        if let refusal = parts.watched.refusal {
            world.note(track, "refused by the journal: \(refusal.code.rawValue)")
            return end(ticket, nil, track, parts)
        }
        if track.plan.end == .unopened { return end(ticket, nil, track, parts) }
        let begun = clock.uptime
        let billing = BillingFacts(
            tenant: world.town.tenant, user: nil, tags: [], hold: ticket.hold)
        parts.watched.open(open(track, billing))
        do {
            if parts.watched.isStrict { await synced(parts.watched) }
            guard process.isAlive else { return }
            let status = try await produce(track, parts)
            guard process.isAlive else { return }
            let record = makeRecord(track, status, billing, latency: clock.uptime - begun)
            end(ticket, record, track, parts)
            if parts.watched.isStrict, status == .succeeded { await synced(parts.watched) }
        } catch {
            // Only the end of the process cancels it.
            return
        }
    }

    private func end(_ ticket: any AdmissionTicket, _ record: UsageRecord?, _ track: RequestTrack, _ parts: Parts) {
        track.record = record
        let price = ticket.end(record)
        world.ended(track, price)
        if let record { parts.watched.close(record) }
        ticket.close()
    }

    private func synced(_ journal: any UsageJournal) async {
        let bell = SimulatedBell(process)
        let isSafe = Shared(false)
        journal.whenSynced {
            isSafe.update { $0 = true }
            bell.ring()
        }
        while !isSafe.value, process.isAlive { await bell.wait(atMost: .seconds(3600)) }
    }

    /// The upstream's answer, step by step.
    private func produce(_ track: RequestTrack, _ parts: Parts) async throws -> RequestStatus {
        let plan = track.plan
        let pause = Duration.milliseconds(plan.duration) / Self.steps
        let stop = plan.end == .left || plan.end == .truncated ? 1 + plan.id % (Self.steps - 1) : Self.steps
        for step in 1...Self.steps {
            if plan.duration > 0 { try await clock.sleep(for: pause) }
            if plan.end == .failed { return .failed }
            track.produced = Usage(
                inputTokens: plan.prompt, outputTokens: plan.output * step / Self.steps, source: .estimated)
            if step == stop, step < Self.steps { return plan.end == .left ? .clientClosed : .truncated }
            parts.watched.progress(
                RequestProgress(
                    request: track.request, usage: track.produced, elapsed: pause * step, firstToken: pause))
        }
        if plan.end != .untold {
            track.produced = Usage(
                inputTokens: plan.prompt, outputTokens: plan.output, cachedTokens: plan.cached,
                reasoningTokens: plan.reasoning, source: .provider)
        }
        return .succeeded
    }

    private func open(_ track: RequestTrack, _ billing: BillingFacts) -> OpenRequest {
        let spender = world.town.spender(in: track.plan.place)
        let deployment = world.town.deployment(of: track.plan.model)
        return OpenRequest(
            request: track.request, clientRequest: "plan-\(track.plan.id)", workspace: spender.workspace,
            key: spender.key, operation: .chat, model: deployment.model.text, deployment: deployment.id,
            isStream: true, attempt: 1, started: track.accepted, billing: billing)
    }

    private func makeRecord(
        _ track: RequestTrack, _ status: RequestStatus, _ billing: BillingFacts, latency: Duration
    ) -> UsageRecord {
        let open = open(track, billing)
        let usage = status == .failed ? Usage.none : track.produced
        let cost: Attempt.Cost =
            status == .failed ? .unknown : usage.source == .provider ? .confirmed : .estimated
        return UsageRecord(
            request: open.request, clientRequest: open.clientRequest, workspace: open.workspace, key: open.key,
            operation: open.operation, model: open.model, deployment: open.deployment, isStream: true, status: status,
            httpStatus: status == .failed ? 502 : 200, errorCode: nil, usage: usage, started: open.started,
            latency: latency, firstToken: status == .failed ? nil : .milliseconds(1), billing: billing,
            attempts: [Attempt(number: 1, deployment: open.deployment, upstream: nil, cost: cost)])
    }
}
