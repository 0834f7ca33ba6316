package import Billing
import Kernel

/// Proves the ledger: everything is recomputed from the transfers, over one consistent view of the database, and the
/// chain is compared with what is anchored outside it.
package struct LedgerVerificationFlow: Sendable {
    private let reports: any LedgerReports
    private let anchors: any LedgerAnchors
    private let verification: LedgerVerification

    package init(reports: any LedgerReports, anchors: any LedgerAnchors, verification: LedgerVerification) {
        self.reports = reports
        self.anchors = anchors
        self.verification = verification
    }

    /// - Throws: as `LedgerReports` and `LedgerAnchors`.
    package func verify() async throws -> LedgerVerdict {
        // Anchors before the view: then everything that is known must be found in it.
        let complaints = try await anchors.complaints()
        let anchor = try await anchors.head()
        return try await reports.examine { [verification] view in
            try verification.verdict(on: view, anchor: anchor, complaints: complaints)
        }
    }
}
