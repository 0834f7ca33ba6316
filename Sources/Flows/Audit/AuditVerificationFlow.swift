package import Kernel
package import Tenancy

/// Recomputes the chains of the audit log and compares them with what is anchored outside the database.
package struct AuditVerificationFlow: Sendable {
    private static let pageSize = 500

    private let store: any AuditStore
    private let anchors: any AuditAnchors
    private let sealer: any AuditSealer

    package init(store: any AuditStore, anchors: any AuditAnchors, sealer: any AuditSealer) {
        self.store = store
        self.anchors = anchors
        self.sealer = sealer
    }

    /// Every chain: those that the database knows, and those that were anchored and that it knows no longer.
    package func verifyAll() async throws -> AuditVerdict {
        // Anchors before heads, heads before events: then everything that is known must be found.
        let anchored = Dictionary(grouping: try await anchors.all(), by: \.tenant).compactMapValues(\.first)
        let heads = Dictionary(grouping: try await store.heads(changedAfter: nil), by: \.tenant)
            .compactMapValues(\.first)
        let chains = Set(anchored.keys).union(heads.keys).union([nil])
        return try await verdict(chains.sorted(by: Self.order), anchored, heads)
    }

    /// One chain.
    /// - Parameter tenant: nil for the platform's own.
    package func verify(of tenant: TenantID?) async throws -> AuditVerdict {
        let anchored = try await anchors.all().filter { $0.tenant == tenant }
        let heads = try await store.heads(changedAfter: nil).filter { $0.tenant == tenant }
        return try await verdict(
            [tenant], anchored.first.map { [tenant: $0] } ?? [:], heads.first.map { [tenant: $0] } ?? [:])
    }

    private func verdict(
        _ chains: [TenantID?], _ anchored: [TenantID?: AuditHead], _ heads: [TenantID?: AuditHead]
    ) async throws -> AuditVerdict {
        let onlyChain = chains.count == 1 ? chains[0] : nil
        var faults = try await anchors.complaints().map { complaint in
            AuditVerdict.Fault(
                tenant: onlyChain, sequence: 0, kind: AuditFault.Kind.unanchored.rawValue, message: complaint)
        }
        var seen: [AuditVerdict.Chain] = []
        for tenant in chains {
            let (events, found) = try await look(at: tenant, anchor: anchored[tenant], head: heads[tenant])
            seen.append(AuditVerdict.Chain(tenant: tenant, events: events, anchored: anchored[tenant]?.sequence))
            faults += found.map { fault in
                AuditVerdict.Fault(
                    tenant: tenant, sequence: fault.sequences.lowerBound, kind: fault.kind.rawValue,
                    message: "In the chain of \(tenant.map(\.description) ?? "the platform"), \(fault.message).")
            }
        }
        return AuditVerdict(chains: seen, faults: Array(faults.prefix(AuditVerification.mostFaults)))
    }

    private func look(
        at tenant: TenantID?, anchor: AuditHead?, head: AuditHead?
    ) async throws -> (events: Int64, faults: [AuditFault]) {
        var verification = AuditVerification(anchor: anchor, head: head, sealer: sealer)
        var after: Int64 = 0
        while true {
            let page = try await store.events(of: tenant, after: after, limit: Self.pageSize)
            for event in page { verification.take(event) }
            // Also when sequences stand still, which no intact table does.
            guard let last = page.last, last.sequence > after else { break }
            after = last.sequence
        }
        return (verification.events, verification.finish())
    }

    /// The platform's first, then the oldest tenant's.
    private static func order(_ left: TenantID?, _ right: TenantID?) -> Bool {
        guard let right else { return false }
        return left.map { $0 < right } ?? true
    }
}
