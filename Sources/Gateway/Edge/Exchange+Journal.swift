import Flows
import Inference
import Kernel
import Logging
import NIOCore
import Tenancy

/// What the journal hears of a request while it runs.
///
/// 1. `open` before anything of an attempt can reach an upstream.
/// 2. `progress` before the first content goes to the client, and then before the content that comes
///    `GatewayLimits.progressEvents` events or `progressInterval` after the last one.
/// 3. `close`, once, before the bytes that tell the client that it has everything.
///
/// So a killed platform leaves uncharged at most the content of one such interval. Without a `progress` no content had
/// gone out, and nothing is charged. An answer that is no stream goes out whole, after its `close`.
///
/// A strict journal's upstream call waits until `open` is on the disk, and a good answer's end until `close` is. An
/// error waits for neither: it promises nothing. Nor does content: a machine that loses its power may lose the
/// `progress` that was not synced yet.
extension Exchange {
    /// Writes that this attempt begins, then goes on with `body`, when the journal is strict only from the disk on.
    func open(_ deployment: Deployment, _ operation: Operation, then body: @escaping (Exchange) -> Void) {
        guard let principal else { return }
        if attempt == 1, let chosen { routeRecord = chosen.record }
        core.flow.journal.note(
            OpenRequest(
                request: request, clientRequest: clientRequest, workspace: principal.workspace, key: principal.key,
                operation: operation, model: deployment.model.text, deployment: deployment.id,
                isStream: facts.isStream, attempt: attempt, started: started, billing: billing,
                route: routeRecord, before: attempts))
        loop.turn.didNote()
        guard core.flow.journal.isStrict else { return body(self) }
        phase = .opening
        wait(atMost: GatewayLimits.syncTimeout)
        whenSynced { exchange in
            if case .opening = exchange.phase { body(exchange) }
        }
    }

    /// Called for every read of a stream that may bring content to the client, before it does.
    func noteProgress(at now: NIODeadline) {
        guard pace.isDue(events: filter.contentEvents, at: now), let deployment else { return }
        let uptime = loop.turn.uptime
        core.flow.journal.note(
            // What it would be charged if its client left now.
            RequestProgress(
                request: request, usage: usage(.clientClosed, of: deployment), elapsed: uptime - startedUptime,
                firstToken: (firstByteAt ?? uptime) - startedUptime))
        loop.turn.didNote()
    }

    /// Whether the end of this answer must wait for the disk. The exchange then stays in `settling` until the disk has
    /// the record, or until a limit, the client or a shutdown ends it: then the answer counts, and was not delivered.
    func waitsForDisk(_ problem: Problem?) -> Bool {
        problem == nil && isClientThere && core.flow.journal.isStrict
    }

    func settle() {
        wait(atMost: GatewayLimits.syncTimeout)
        // What came before the end need not wait for it.
        upstreamDidFinishReading()
        whenSynced { exchange in
            if case .settling = exchange.phase { exchange.conclude(nil, answer: exchange.unsent) }
        }
    }

    func whenSynced(_ body: @escaping (Exchange) -> Void) {
        let eventLoop = loop.eventLoop
        let bound = NIOLoopBound((exchange: self, body: body), eventLoop: eventLoop)
        core.flow.journal.whenSynced {
            eventLoop.execute { bound.value.body(bound.value.exchange) }
        }
    }
}
