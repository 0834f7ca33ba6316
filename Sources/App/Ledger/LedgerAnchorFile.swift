package import Billing
package import Kernel
package import Tenancy

/// The head of the ledger's chain in a file of the data folder, in the form of those of the audit log: the ledger is
/// the one chain in it, with seals of its own key.
package struct LedgerAnchorFile: LedgerAnchors {
    private let file: AnchorFile

    package init(path: String, sealer: any AuditSealer, clock: any Clock) {
        file = AnchorFile(path: path, sealer: sealer, clock: clock)
    }

    /// Makes the file where it is missing and the data folder or the chain is new.
    func begin(over links: some LedgerLinks, isNewFolder: Bool) async throws {
        try await file.begin(isNewFolder: isNewFolder) { try await links.head() == nil }
    }

    package func anchor(_ head: LedgerHead) async throws {
        try await file.anchor([AuditHead(tenant: nil, sequence: head.number, seal: head.seal)])
    }

    package func head() async throws -> LedgerHead? {
        try await file.all().first { $0.tenant == nil }.map { LedgerHead(number: $0.sequence, seal: $0.seal) }
    }

    package func complaints() async throws -> [String] { try await file.complaints() }
}
