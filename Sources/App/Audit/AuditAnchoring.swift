import Database
package import Kernel
package import Logging
import Metrics
import ServiceLifecycle
import Synchronization
package import Tenancy

/// Carries the heads of the audit log's chains out of the database. Before a head takes an older one's place, all that
/// is between them is recomputed: a chain that was cut off and grew again does not move its anchor.
package final class AuditAnchoring: Sendable {
    /// Heads are looked for this far back, for transactions that commit late and clocks that differ.
    private static let overlap = Duration.seconds(60)
    private static let pageSize = 500
    /// Lines in the log each time.
    private static let mostHeadsLogged = 1000

    private let store: any AuditStore
    private let anchors: any AuditAnchors
    private let sealer: any AuditSealer
    private let clock: any Kernel.Clock
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        /// As anchored; nil before the first look.
        var anchored: [TenantID?: AuditHead]?
        var lastLook: Instant?
        /// Chains that do not hold, with the head that they had when that was told.
        var broken: [TenantID?: AuditHead] = [:]
        /// Anchored since the last line in the log.
        var unlogged: [TenantID?: AuditHead] = [:]
    }

    package init(
        store: any AuditStore, anchors: any AuditAnchors, sealer: any AuditSealer, clock: any Kernel.Clock,
        logger: Logger
    ) {
        self.store = store
        self.anchors = anchors
        self.sealer = sealer
        self.clock = clock
        self.logger = logger
    }

    /// Anchors what is new.
    /// - Parameter all: looks at every chain, not only at those that changed since the last look.
    package func anchor(all: Bool = false) async throws {
        let now = clock.now
        var anchored = try await known()
        let since = all ? nil : state.withLock { $0.lastLook }.map { $0 - Self.overlap }
        var new: [AuditHead] = []
        for head in try await store.heads(changedAfter: since) where head != anchored[head.tenant] {
            guard head != state.withLock({ $0.broken[head.tenant] }) else { continue }
            let faults = try await faults(upTo: head, after: anchored[head.tenant])
            note(faults, of: head)
            if faults.isEmpty { new.append(head) }
        }
        if !new.isEmpty { try await anchors.anchor(new) }
        for head in new { anchored[head.tenant] = head }
        state.withLock { [anchored, new] state in
            // Two may look at once.
            state.anchored = (state.anchored ?? [:]).merging(anchored) { $0.sequence > $1.sequence ? $0 : $1 }
            state.lastLook = now
            for head in new { state.unlogged[head.tenant] = head }
        }
    }

    /// A log's archive is one more place where heads are kept.
    package func log() {
        let heads = state.withLock { state in
            defer { state.unlogged = [:] }
            return state.unlogged.values.prefix(Self.mostHeadsLogged)
        }
        for head in heads {
            logger.notice(
                "audit head",
                metadata: [
                    "chain": "\(Self.name(head.tenant))", "sequence": "\(head.sequence)",
                    "seal": "\(Hexadecimal.text(head.seal))",
                ])
        }
    }

    private func known() async throws -> [TenantID?: AuditHead] {
        if let anchored = state.withLock({ $0.anchored }) { return anchored }
        let all = try await anchors.all()
        return Dictionary(all.map { ($0.tenant, $0) }) { $0.sequence > $1.sequence ? $0 : $1 }
    }

    /// What does not hold between the anchored event and the head, both taken in. Of a chain without an anchor, the
    /// head's event alone: a node that joins does not read everybody's history.
    private func faults(upTo head: AuditHead, after anchor: AuditHead?) async throws -> [AuditFault] {
        let start = anchor?.sequence ?? head.sequence
        var verification = AuditVerification(anchor: anchor, head: head, sealer: sealer, start: start)
        var after = start - 1
        while after < head.sequence {
            let page = try await store.events(of: head.tenant, after: after, limit: Self.pageSize)
            for event in page where event.sequence <= head.sequence { verification.take(event) }
            guard let last = page.last, last.sequence > after else { break }
            after = last.sequence
        }
        return verification.finish()
    }

    private func note(_ faults: [AuditFault], of head: AuditHead) {
        let count = state.withLock { state in
            state.broken[head.tenant] = faults.isEmpty ? nil : head
            return state.broken.count
        }
        Gauge(label: "volery_audit_chains_broken").record(count)
        guard let first = faults.first else { return }
        logger.error(
            "the audit log does not hold; `volery audit verify` tells all of it",
            metadata: ["chain": "\(Self.name(head.tenant))", "fault": "\(first.kind): \(first.message)"])
    }

    private static func name(_ tenant: TenantID?) -> String { tenant?.description ?? "platform" }
}

/// Anchors within a second of every act, once more at the end, and writes heads to the log every hour.
struct AuditAnchoringService: Service {
    static let interval = Duration.milliseconds(500)
    static let fullLook = Duration.seconds(600)
    static let logInterval = Duration.seconds(3600)

    let anchoring: AuditAnchoring
    let wakeUps: any WakeUps
    let clock: any Kernel.Clock
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in wakeUps.wakeUps(on: .audit) { _ = await look(all: false) } }
                group.addTask { await lookAgainAndAgain() }
                group.addTask {
                    while (try? await clock.sleep(for: Self.logInterval)) != nil { anchoring.log() }
                }
                await group.waitForAll()
            }
        }
        if let error = await look(all: false) {
            logger.warning("the last audit events were not anchored", metadata: ["error": "\(error)"])
        }
        anchoring.log()
    }

    private func lookAgainAndAgain() async {
        var isAway = false
        var lastFull: Duration?
        repeat {
            let now = clock.uptime
            let all = lastFull.map { now - $0 >= Self.fullLook } ?? true
            let error = await look(all: all)
            if all, error == nil { lastFull = now }
            if let error, !isAway {
                logger.warning("audit events cannot be anchored now", metadata: ["error": "\(error)"])
            }
            isAway = error != nil
        } while (try? await clock.sleep(for: Self.interval)) != nil
    }

    private func look(all: Bool) async -> (any Error)? {
        do {
            try await anchoring.anchor(all: all)
            return nil
        } catch {
            return Task.isCancelled ? nil : error
        }
    }
}

extension Topic {
    /// An audit event was added.
    static var audit: Topic { Topic("audit") }
}
