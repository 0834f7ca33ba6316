import Billing
import Crypto

/// The keys of the ledger. They hang on the audit log's, which is kept as long as the ledger is; what is sealed with
/// one passes for nothing else.
package struct LedgerKey: Sendable {
    /// For the digests of postings.
    package let postings: HMACAuditSealer
    /// For the links of the chain.
    package let links: HMACAuditSealer
    /// For the file of anchors.
    package let anchors: HMACAuditSealer
}

extension AuditKey {
    package var ledger: LedgerKey {
        LedgerKey(
            postings: HMACAuditSealer(MasterKey.derive(from: key, for: "ledger postings")),
            links: HMACAuditSealer(MasterKey.derive(from: key, for: "ledger links")),
            anchors: HMACAuditSealer(MasterKey.derive(from: key, for: "ledger anchors")))
    }
}

extension HMACAuditSealer: LedgerSealer {}
