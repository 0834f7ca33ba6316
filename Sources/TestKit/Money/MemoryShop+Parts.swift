package import Billing

extension LedgerVerdict {
    /// Of a ledger without anything in it.
    package static var empty: LedgerVerdict {
        LedgerVerdict(LedgerCounts(), anchored: nil, findings: LedgerFindings())
    }
}
