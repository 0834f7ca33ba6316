package import Flows
package import Kernel
import NIOHTTP1

extension RemoteControl {
    package func createKey(_ request: NewKey) async throws -> CreatedKey {
        try await send(.POST, "keys", body: request)
    }

    package func revokeKey(_ id: KeyID) async throws -> KeyView { try await send(.DELETE, "keys/\(id)") }

    package func listKeys(in workspace: WorkspaceID?, _ page: PageRequest) async throws -> Page<KeyView> {
        try await send(.GET, "keys" + query(["workspace": workspace?.description], page))
    }

    package func key(_ id: KeyID) async throws -> KeyView { try await send(.GET, "keys/\(id)") }

    package func rotateKey(_ id: KeyID, _ request: KeyRotation) async throws -> CreatedKey {
        try await send(.POST, "keys/\(id)/rotate", body: request)
    }
}

extension RemoteControl {
    package func createRule(_ request: NewRule) async throws -> RuleView {
        try await send(.POST, "rules", body: request)
    }

    package func listRules(in tenant: TenantID?) async throws -> [RuleView] {
        let page: Page<RuleView> = try await send(.GET, "rules" + query(["tenant": tenant?.description]))
        return page.data
    }

    package func rule(_ id: RuleID) async throws -> RuleView { try await send(.GET, "rules/\(id)") }

    package func replaceRule(_ id: RuleID, _ request: NewRule) async throws -> RuleView {
        try await send(.PUT, "rules/\(id)", body: request)
    }

    package func removeRule(_ id: RuleID) async throws -> RuleView { try await send(.DELETE, "rules/\(id)") }

    package func testAccess(_ question: AccessQuestion) async throws -> AccessAnswer {
        try await send(.POST, "rules/test", body: question)
    }
}

extension RemoteControl {
    package func auditEvents(of chain: TenantID?, _ page: PageRequest) async throws -> Page<AuditEventView> {
        try await send(.GET, "audit" + query(["tenant": chain?.description], page))
    }

    package func exportAudit(of chain: TenantID?, after sequence: Int64, limit: Int) async throws -> [AuditEventView] {
        try await lines(
            "audit/export"
                + query(["tenant": chain?.description, "after": String(sequence), "limit": String(limit)]))
    }

    package func verifyAudit(of chain: TenantID?) async throws -> AuditVerdict {
        try await send(.GET, "audit/verify" + query(["tenant": chain?.description]), patience: Self.longPatience)
    }
}

extension RemoteControl {
    package func addProvider(_ request: NewProvider) async throws -> ProviderView {
        try await send(.POST, "providers", body: request)
    }

    package func listProviders() async throws -> [ProviderView] {
        let page: Page<ProviderView> = try await send(.GET, "providers")
        return page.data
    }

    package func replaceProviderKey(_ id: ProviderID, _ request: NewProviderKey) async throws -> ProviderView {
        try await send(.PUT, "providers/\(id)/key", body: request)
    }

    package func removeProvider(_ id: ProviderID) async throws -> ProviderView {
        try await send(.DELETE, "providers/\(id)")
    }

    package func listSecrets() async throws -> [SecretView] {
        let page: Page<SecretView> = try await send(.GET, "secrets")
        return page.data
    }

    package func resealSecrets() async throws -> Resealing {
        try await send(.POST, "secrets/reseal", patience: Self.longPatience)
    }
}
