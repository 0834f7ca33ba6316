package import Billing
import Kernel
package import Logging
import Metrics
import Synchronization

/// Gives postings their places in the chain, and carries the chain's head out of the database. Before a head takes an
/// older one's place, all links between them are recomputed: a chain that was cut off and grew again does not move its
/// anchor.
package final class LedgerLinking: Sendable {
    private static let batch = 500
    /// In one pass; what is left waits for the next.
    private static let mostBatches = 100

    private let links: any LedgerLinks
    private let anchors: any LedgerAnchors
    private let sealer: any LedgerSealer
    private let logger: Logger
    private let linked = Counter(label: "volery_ledger_postings_linked_total")
    private let broken = Gauge(label: "volery_ledger_chain_broken")
    private let state = Mutex(State())

    private struct State {
        /// As anchored; nil before the first look.
        var anchored: LedgerHead?
        var hasLooked = false
        /// The head of a chain that does not hold, when that was told.
        var told: LedgerHead?
        /// Anchored since the last line in the log.
        var unlogged: LedgerHead?
    }

    /// - Parameter sealer: for links.
    package init(links: any LedgerLinks, anchors: any LedgerAnchors, sealer: any LedgerSealer, logger: Logger) {
        self.links = links
        self.anchors = anchors
        self.sealer = sealer
        self.logger = logger
    }

    /// Links what waits, and anchors what is new. Any node may do it at any time.
    /// - Returns: how many postings this call linked.
    /// - Throws: as `LedgerLinks` and `LedgerAnchors`; what was linked stays.
    @discardableResult
    package func pass() async throws -> Int {
        var count = 0
        for _ in 0..<Self.mostBatches {
            let part = try await links.link(limit: Self.batch)
            count += part
            if part < Self.batch { break }
        }
        linked.increment(by: count)
        try await anchor()
        return count
    }

    /// A log's archive is one more place where heads are kept.
    package func log() {
        let head = state.withLock { state in
            defer { state.unlogged = nil }
            return state.unlogged
        }
        guard let head else { return }
        let seal = head.seal.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        logger.notice("ledger head", metadata: ["number": "\(head.number)", "seal": "\(seal)"])
    }

    private func anchor() async throws {
        // A chain that is all gone is one that was cut.
        let head = try await links.head() ?? LedgerHead(number: 0, seal: LedgerChain.beginning)
        let known: LedgerHead?
        let (anchored, hasLooked) = state.withLock { ($0.anchored, $0.hasLooked) }
        known = hasLooked ? anchored : try await anchors.head()
        state.withLock {
            $0.hasLooked = true
            if $0.anchored?.number ?? 0 < known?.number ?? 0 { $0.anchored = known }
        }
        guard head.number > 0 || known != nil, head != known, head != state.withLock({ $0.told }) else { return }
        let findings = try await findings(upTo: head, after: known)
        note(findings, head)
        guard findings.isEmpty else { return }
        try await anchors.anchor(head)
        state.withLock {
            // Two may look at once.
            if $0.anchored?.number ?? 0 < head.number { $0.anchored = head }
            $0.unlogged = head
        }
    }

    /// What does not hold between the anchored link and the head, both taken in. Of a chain without an anchor, the head
    /// alone: a node that joins does not read everybody's history.
    private func findings(upTo head: LedgerHead, after anchor: LedgerHead?) async throws -> [LedgerFinding] {
        let start = anchor?.number ?? head.number
        var verification = LinkVerification(sealer: sealer, anchor: anchor, start: start)
        var after = start - 1
        while after < head.number {
            let page = try await links.links(after: after, limit: Self.batch)
            for link in page where link.number <= head.number { verification.take(link) }
            guard let last = page.last, last.number > after else { break }
            after = last.number
        }
        verification.finish()
        return verification.findings.all
    }

    private func note(_ findings: [LedgerFinding], _ head: LedgerHead) {
        state.withLock { $0.told = findings.isEmpty ? nil : head }
        broken.record(findings.isEmpty ? 0 : 1)
        guard let first = findings.first else { return }
        logger.error(
            "the ledger's chain does not hold; `volery ledger verify` tells all of it",
            metadata: ["finding": "\(first.kind.rawValue): \(first.message)"])
    }
}
