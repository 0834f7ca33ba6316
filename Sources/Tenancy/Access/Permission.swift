/// What somebody may be allowed to do, as `subject:verb`. This file is the one table of permissions and roles;
/// docs/permissions.md is made from it.
package enum Permission: String, Sendable, Codable, CaseIterable {
    case inferenceExecute = "inference:execute"
    case modelRead = "model:read"
    case modelWrite = "model:write"
    case usageRead = "usage:read"
    case keyRead = "key:read"
    case keyWrite = "key:write"
    case workspaceRead = "workspace:read"
    case workspaceWrite = "workspace:write"
    case memberRead = "member:read"
    case memberWrite = "member:write"
    case ruleRead = "rule:read"
    case ruleWrite = "rule:write"
    case auditRead = "audit:read"
    case routingRead = "routing:read"
    case routingWrite = "routing:write"
    case tenantRead = "tenant:read"
    case tenantWrite = "tenant:write"
    case providerRead = "provider:read"
    case providerWrite = "provider:write"
    case runtimeRead = "runtime:read"
    /// Accounts of people and passwords, which belong to the platform and to no tenant.
    case userRead = "user:read"
    case userWrite = "user:write"
    case billingRead = "billing:read"
    case billingWrite = "billing:write"
    /// Prices, credit and the ledger as a whole belong to whoever runs the platform.
    case priceWrite = "price:write"
    case creditWrite = "credit:write"
    case ledgerVerify = "ledger:verify"

    /// In one sentence, for docs/permissions.md.
    package var meaning: String {
        switch self {
        case .inferenceExecute: "Call models: chat, completions, embeddings."
        case .modelRead: "See which models there are."
        case .modelWrite: "Register, change, promote and deregister deployments."
        case .usageRead: "Read usage rows and sums."
        case .keyRead: "List API keys, without their secrets."
        case .keyWrite: "Make, change, rotate and revoke API keys."
        case .workspaceRead: "See workspaces."
        case .workspaceWrite: "Make, rename, suspend, delete and restore workspaces."
        case .memberRead: "See members, their roles, and service accounts."
        case .memberWrite: "Add, change and remove members; make service accounts."
        case .ruleRead: "See access rules."
        case .ruleWrite: "Make, replace and remove access rules."
        case .auditRead: "Read, export and verify the audit log."
        case .routingRead: "See how a workspace's requests are routed."
        case .routingWrite:
            "Set how a workspace's requests are routed. A bound on costs and a higher priority are the operator's."
        case .tenantRead: "See the tenant itself."
        case .tenantWrite: "Rename, suspend, delete and restore a tenant; making one belongs to the operator."
        case .providerRead: "See outside providers and the age of their keys."
        case .providerWrite: "Add and remove outside providers, and replace their keys."
        case .runtimeRead: "See the runtimes of this machine."
        case .userRead: "See accounts of people."
        case .userWrite: "Make accounts of people, set passwords, end sessions."
        case .billingRead: "See prices, budgets, limits, credit, balances and statements."
        case .billingWrite: "Set and remove budgets, quotas and limits."
        case .priceWrite: "Set prices and costs, and see what things cost the platform."
        case .creditWrite: "Grant credit, set wallets and plans, and resolve what is in suspense."
        case .ledgerVerify: "Verify the ledger, and see the platform's own accounts and what is in suspense."
        }
    }

    /// Those about things that belong to the platform and to no tenant: no role has them, only the operator.
    package static let ofPlatform: Set<Permission> = [
        .modelWrite, .providerRead, .providerWrite, .runtimeRead, .userRead, .userWrite, .priceWrite, .creditWrite,
        .ledgerVerify,
    ]
}

/// What a member is in a tenant or in one of its workspaces.
package enum Role: String, Sendable, Codable, CaseIterable {
    case owner, admin, developer, analyst

    /// `*` is everything that is not the platform's.
    package var permissions: Set<Permission> {
        switch self {
        case .owner: Set(Permission.allCases).subtracting(Permission.ofPlatform)
        case .admin:
            [
                .inferenceExecute, .modelRead, .usageRead, .keyRead, .keyWrite, .workspaceRead, .workspaceWrite,
                .memberRead, .memberWrite, .ruleRead, .ruleWrite, .auditRead, .routingRead, .routingWrite, .tenantRead,
                .billingRead, .billingWrite,
            ]
        case .developer:
            [
                .inferenceExecute, .modelRead, .usageRead, .keyRead, .keyWrite, .workspaceRead, .routingRead,
                .tenantRead, .billingRead,
            ]
        case .analyst: [.modelRead, .usageRead, .keyRead, .workspaceRead, .routingRead, .tenantRead, .billingRead]
        }
    }

    /// In one sentence, for docs/permissions.md.
    package var meaning: String {
        switch self {
        case .owner: "Everything in the tenant."
        case .admin:
            "Runs the tenant: people, workspaces, keys, rules, budgets. Cannot suspend or delete the tenant itself."
        case .developer: "Builds with it: calls models and manages keys."
        case .analyst: "Looks at it: models, usage, money, keys. Changes and calls nothing."
        }
    }
}
