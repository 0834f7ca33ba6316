package import Billing
import Kernel
import Synchronization

/// Proves the ledger: everything is recomputed from the transfers, over one consistent view of the database, and the
/// chain is compared with what is anchored outside it.
package final class LedgerVerificationFlow: Sendable {
    private let reports: any LedgerReports
    private let anchors: any LedgerAnchors
    private let verification: LedgerVerification
    private let isRunning = Mutex(false)

    package init(reports: any LedgerReports, anchors: any LedgerAnchors, verification: LedgerVerification) {
        self.reports = reports
        self.anchors = anchors
        self.verification = verification
    }

    /// One at a time: each keeps a connection that reads for as long as it takes.
    /// - Throws: as `LedgerReports` and `LedgerAnchors`; `Problem(.conflict)` while another runs.
    package func verify() async throws -> LedgerVerdict {
        let isFirst = isRunning.withLock { running in
            defer { running = true }
            return !running
        }
        guard isFirst else {
            throw Problem(
                .conflict, "The ledger is being verified already.",
                hint: "Wait for that to end: a large ledger takes minutes.")
        }
        defer { isRunning.withLock { $0 = false } }
        // Anchors before the view: then everything that is known must be found in it.
        let complaints = try await anchors.complaints()
        let anchor = try await anchors.head()
        return try await reports.examine { [verification] view in
            try verification.verdict(on: view, anchor: anchor, complaints: complaints)
        }
    }
}
