package import Kernel
import Synchronization
package import Tenancy

extension MemoryDirectory: RuleStore {
    package func insert(_ rule: AccessRule, audit: AuditEntry) async throws {
        try state.withLock { state in
            if state.rules[rule.id] != nil { return }
            guard state.rules.values.count(where: { $0.tenant == rule.tenant }) < mostRulesOfTenant else {
                throw Problem(.validationError)
            }
            state.rules[rule.id] = rule
            state.revoke(.tenant(rule.tenant), at: now)
            state.note(audit, in: rule.tenant)
        }
    }

    package func find(_ id: RuleID, in tenant: TenantID) async throws -> AccessRule? {
        state.withLock { state in state.rules[id].flatMap { $0.tenant == tenant ? $0 : nil } }
    }

    package func tenant(of id: RuleID) async throws -> TenantID? { state.withLock { $0.rules[id]?.tenant } }

    package func list(in tenant: TenantID) async throws -> [AccessRule] {
        state.withLock { state in state.rules.values.filter { $0.tenant == tenant }.sorted { $0.id < $1.id } }
    }

    package func replace(_ rule: AccessRule, audit: AuditEntry) async throws -> AccessRule? {
        state.withLock { state in
            guard let before = state.rules[rule.id], before.tenant == rule.tenant else { return nil }
            let after = AccessRule(
                id: rule.id, tenant: rule.tenant, workspace: rule.workspace, name: rule.name, effect: rule.effect,
                actions: rule.actions, keys: rule.keys, conditions: rule.conditions, created: before.created)
            state.rules[rule.id] = after
            state.revoke(.tenant(rule.tenant), at: now)
            state.note(audit, in: rule.tenant)
            return after
        }
    }

    package func remove(_ id: RuleID, in tenant: TenantID, audit: AuditEntry) async throws -> AccessRule? {
        state.withLock { state in
            guard let rule = state.rules[id], rule.tenant == tenant else { return nil }
            state.rules[id] = nil
            state.revoke(.tenant(tenant), at: now)
            state.note(audit, in: tenant)
            return rule
        }
    }
}

extension MemoryDirectory: AuditStore {
    package func append(_ entry: AuditEntry) async throws { state.withLock { $0.note(entry) } }

    package func list(of tenant: TenantID?, page: PageRequest) async throws -> Page<AuditEvent> {
        guard let before = page.after.map({ Int64($0) }) ?? .max else {
            throw Problem(.validationError, parameter: "after")
        }
        let events = state.withLock { $0.chains[tenant] ?? [] }
        let rows = events.reversed().filter { $0.sequence < before }.prefix(page.limit + 1)
        return Page(rows: Array(rows), limit: page.limit) { String($0.sequence) }
    }

    package func events(of tenant: TenantID?, after sequence: Int64, limit: Int) async throws -> [AuditEvent] {
        let events = state.withLock { $0.chains[tenant] ?? [] }
        return Array(events.filter { $0.sequence > sequence }.prefix(limit))
    }

    package func heads(changedAfter time: Instant?) async throws -> [AuditHead] {
        state.withLock { state in
            state.chains.compactMap { tenant, events in
                guard let last = events.last, time.map({ $0 < state.changed[tenant] ?? $0 }) ?? true else { return nil }
                return AuditHead(tenant: tenant, sequence: last.sequence, seal: last.seal)
            }.sorted { ($0.tenant?.description ?? "platform") < ($1.tenant?.description ?? "platform") }
        }
    }
}

extension MemoryDirectory: RevocationStore {
    package func head() async throws -> Int64 { state.withLock { $0.lastRevocation } }

    package func after(_ sequence: Int64, limit: Int) async throws -> [Revocation]? {
        state.withLock { state in
            if sequence == state.lastRevocation { return [] }
            let found = state.revocations.map(\.revocation).filter { $0.sequence > sequence }
            guard found.first?.sequence == sequence + 1 else { return nil }
            return Array(found.prefix(limit))
        }
    }

    package func prune(before time: Instant) async throws {
        state.withLock { state in state.revocations.removeAll { $0.written < time } }
    }
}
