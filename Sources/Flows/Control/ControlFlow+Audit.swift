package import Kernel
import Tenancy

extension ControlFlow: AuditControl {
    package func auditEvents(of chain: TenantID?, _ page: PageRequest) async throws -> Page<AuditEventView> {
        let chain = try await authorizedChain(chain, as: "audit.read")
        return try await stores.audit.list(of: chain, page: page).map(AuditEventView.init)
    }

    package func exportAudit(of chain: TenantID?, after sequence: Int64, limit: Int) async throws -> [AuditEventView] {
        let chain = try await authorizedChain(chain, as: "audit.export")
        guard PageRequest.allowed.contains(limit), sequence >= 0 else {
            throw Problem(
                .validationError, "`limit` must be between 1 and 1000, and `after` not below 0.",
                parameter: sequence < 0 ? "after" : "limit")
        }
        if parts.exports.begins(caller.actor, chain, after: sequence) {
            try await stores.audit.append(
                entry(
                    "audit.export", on: chain?.description ?? "platform", tenant: chain, ["after": "\(sequence)"]))
        }
        return try await stores.audit.events(of: chain, after: sequence, limit: limit).map(AuditEventView.init)
    }

    package func verifyAudit(of chain: TenantID?) async throws -> AuditVerdict {
        guard chain == nil else {
            return try await parts.verification.verify(of: authorizedChain(chain, as: "audit.verify"))
        }
        if caller.principal.isOperator {
            try await gate.authorize(.auditRead, on: .platform, as: "audit.verify")
            return try await parts.verification.verifyAll()
        }
        let own = Set(caller.principal.grants.compactMap(\.extent.tenant)).sorted()
            .filter { gate.allows(.auditRead, on: Resource(tenant: $0)) }
        guard !own.isEmpty else {
            return try await parts.verification.verify(of: authorizedChain(nil, as: "audit.verify"))
        }
        var chains: [AuditVerdict.Chain] = []
        var faults: [AuditVerdict.Fault] = []
        for tenant in own {
            let verdict = try await parts.verification.verify(of: tenant)
            chains += verdict.chains
            faults += verdict.faults
        }
        return AuditVerdict(chains: chains, faults: Array(faults.prefix(100)))
    }

    /// - Returns: nil for the platform's own chain.
    private func authorizedChain(_ chain: TenantID?, as act: String) async throws -> TenantID? {
        if chain == nil, caller.principal.isOperator {
            try await gate.authorize(.auditRead, on: .platform, as: act)
            return nil
        }
        return try await authorized(.auditRead, in: chain, as: act).id
    }
}
