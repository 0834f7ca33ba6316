import Kernel

/// The built-in engine: the permission table, then what the key is narrowed to, then the tenant's rules.
package struct BuiltInAccess: AccessDecider {
    package init() {}

    package func decide(
        _ principal: Principal, _ action: Permission, on resource: Resource, in context: AccessContext
    ) -> AccessDecision {
        if let denial = Self.denialByGrants(principal.grants, action, resource) { return .deny(denial) }
        if let denial = principal.limits.denial(on: resource, in: context) { return .deny(denial) }
        for rule in principal.rules {
            if let denial = rule.denial(principal, action, resource, context) { return .deny(denial) }
        }
        return .allow
    }

    private static func denialByGrants(_ grants: [Grant], _ action: Permission, _ resource: Resource) -> Denial? {
        var isKnown = false
        for grant in grants {
            switch (grant.extent, resource.tenant, resource.workspace) {
            case (.platform, _, _): isKnown = true
            // Something of the platform's: everybody may know that it exists, and few may touch it.
            case (_, nil, _):
                isKnown = true
                continue
            case (.tenant(let own), let tenant?, _):
                guard own == tenant else { continue }
                isKnown = true
            case (.workspace(let own, of: let home), let tenant?, let workspace):
                guard home == tenant else { continue }
                // The tenant itself may be known to whoever is in it; another workspace of it may not.
                guard let workspace else {
                    isKnown = true
                    continue
                }
                guard own == workspace else { continue }
                isKnown = true
            }
            if grant.permissions.contains(action) { return nil }
        }
        return isKnown ? .noPermission(action) : .foreign
    }
}
