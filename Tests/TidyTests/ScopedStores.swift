/// The first wall between workspaces: a store's function over rows of a workspace or tenant is told whose it may touch,
/// by the workspace or tenant of the verified caller or by a value that carries it.
struct ScopedStores: Sendable {
    /// What says whose rows are meant.
    private static let carriers = [
        "WorkspaceID", "TenantID", "Workspace", "Tenant", "APIKey", "Member", "AccessRule", "IdempotencyKey",
        "IdempotencyLease", "Budget", "WalletRule", "CreditGrant", "Spender", "StoredRouting",
    ]

    /// Stores whose tables belong to the platform.
    static let platformStores: Set<String> = [
        "DatabaseRegistryStore", "DatabaseProviderStore", "DatabaseSealedRows", "DatabaseSessionStore",
        "DatabaseRevocationStore", "DatabasePriceStore",
        // Nodes and what they hold; a batch of settlements is of many workspaces.
        "DatabaseLedger+Escrow", "DatabaseLedger+EscrowEnds", "DatabaseLedger+Settlement", "DatabaseRateStore",
        // Operators look into suspense, and prove the ledger as a whole.
        "DatabaseLedger+Suspense", "DatabaseLedgerChain",
    ]

    /// Functions that look across workspaces, and why each may.
    static let exceptions: [String: String] = [
        "DatabaseKeyStore.find(prefix:)": "a credential is looked up before it is known whose it is",
        "DatabaseKeyStore.workspace(of:)": "an operator's identifier may be of any workspace; it says whose it is",
        "DatabaseKeyStore.touch(_:)": "one batch of last uses holds keys of many workspaces",
        "DatabaseUsageStore.insert(_:)": "one batch of the shipper holds rows of many workspaces",
        "DatabaseRouteStore.insert(_:)": "one batch holds decisions of many workspaces",
        "DatabaseRouteStore.route(of:)": "it says whose it is, and flows ask that before they show it",
        "DatabaseRouteStore.prune(before:limit:)": "old decisions go, whosever they are",
        "DatabaseTenantStore.find(named:)": "an operator names a tenant",
        "DatabaseTenantStore.list(page:)": "operators list the tenants",
        "DatabaseWorkspaceStore.ensure(tenant:workspace:ids:now:)": "the first start makes both",
        "DatabaseWorkspaceStore+Purge.purge(at:limit:audit:)": "what is due to go is looked for in all tenants",
        "DatabaseUserStore.insert(_:audit:)": "people belong to the platform; a service account names its tenant",
        "DatabaseUserStore.find(_:)": "people belong to the platform",
        "DatabaseUserStore.find(person:)": "people belong to the platform",
        "DatabaseUserStore.change(_:to:audit:)": "people belong to the platform",
        "DatabaseUserStore.secrets(of:)": "people belong to the platform",
        "DatabaseUserStore.setSecrets(_:of:at:audit:)": "people belong to the platform",
        "DatabaseUserStore.useTOTPStep(_:of:)": "people belong to the platform",
        "DatabaseMemberStore.tenant(of:)": "an operator's identifier may be of any tenant; it says whose it is",
        "DatabaseMemberStore.places(of:)": "a user is a member of several tenants",
        "DatabaseRuleStore.tenant(of:)": "an operator's identifier may be of any tenant; it says whose it is",
        "DatabaseRoutingStore.version()": "one number stands for the routing of all workspaces",
        "DatabaseRoutingStore.all()": "the router of a node reads what all workspaces have set",
        "DatabaseAuditStore.append(_:)": "an entry names the chain that it belongs to",
        "DatabaseAuditStore.heads(changedAfter:)": "the heads of all chains are anchored together",
        "DatabaseIdempotencyStore.prune(limit:)": "old records go, whosever they are",
        "DatabaseLedger.open(_:)": "accounts name whose they are; the platform's are nobody's",
        "DatabaseLedger.openPlatformAccounts()": "accounts of the platform are nobody's",
        "DatabaseLedger.post(_:)": "a transfer has an account of the platform, or two tenants', on its other side",
        "DatabaseLedger+Reading.account(_:)": "it says whose it is, and flows ask that before they show it",
        "DatabaseLedger+Reading.transfers(of:page:)": "an account is looked at first, and says whose it is",
        "DatabaseLedgerReports.examine<Result: Sendable>(_:)": "the proof is over everybody's rows",
        "DatabaseLedgerReports+Statement.statement(_:page:)": "flows ask first whose accounts those are",
        "DatabaseBudgetStore.budget(_:)": "an operator's identifier may be of any tenant; it says whose it is",
        "DatabaseBudgetStore.periods(of:limit:)": "the budget is looked at first, and says whose it is",
        "DatabaseBudgetStore.events(of:page:)": "the budget is looked at first, and says whose it is",
        "DatabaseSpendingStore.version()": "one number stands for the rules of all tenants",
        "DatabaseRollingBudgets.roll(at:after:limit:)": "windows move for all tenants",
        "DatabaseWalletStore.revoke(_:by:)": "an operator's identifier may be of any tenant",
        "DatabaseWalletStore.lapse(at:limit:)": "credit ends for all tenants",
        "DatabaseWalletStore+Plans.grantAllowances(at:limit:)": "months end for all tenants",
        "DatabaseLedger+Reading.transfers(of:)": "operators look at a request; flows ask whose accounts those are",
    ]

    private let start: Pattern
    private let carrier: Pattern

    init() throws {
        start = try Pattern(#"^\s*package func \w+"#)
        carrier = try Pattern(#"\b("# + Self.carriers.joined(separator: "|") + #")\b"#)
    }

    func violations(in source: SwiftSource) -> [Violation] {
        guard let store = store(of: source), !Self.platformStores.contains(store) else { return [] }
        return functions(in: source).compactMap { function in
            guard !function.isScoped, Self.exceptions[store + "." + function.name] == nil else { return nil }
            return Violation(
                rule: "unscoped-store", path: source.path, line: function.line,
                reason: "\(function.name) is not told whose rows it may touch: it takes the WorkspaceID or TenantID of "
                    + "the verified caller, or stands on the list in ScopedStores.swift with a reason")
        }
    }

    /// The names of functions in a store, as the list has them; those that need no place on it are left out.
    func unscoped(in source: SwiftSource) -> [String] {
        guard let store = store(of: source) else { return [] }
        return functions(in: source).filter { !$0.isScoped }.map { store + "." + $0.name }
    }

    private func store(of source: SwiftSource) -> String? {
        guard source.room == "Stores", !source.isTest, let file = source.path.split(separator: "/").last else {
            return nil
        }
        return file.hasPrefix("Database") && file.hasSuffix(".swift") ? String(file.dropLast(6)) : nil
    }

    private struct Function {
        let line: Int
        /// `find(_:in:)`.
        let name: String
        let isScoped: Bool
    }

    private func functions(in source: SwiftSource) -> [Function] {
        start.lineNumbers(in: source.code).compactMap { line in
            let text = source.code[(line - 1)...].joined(separator: "\n")
            guard let declaration = text.firstRange(of: "func "),
                let parameters = Parameters(text[declaration.upperBound...])
            else { return nil }
            return Function(
                line: line, name: parameters.function + "(" + parameters.labels.map { $0 + ":" }.joined() + ")",
                isScoped: carrier.isFound(in: parameters.types))
        }
    }
}

/// What stands between the parentheses of a declaration.
private struct Parameters {
    let function: String
    private(set) var labels: [String] = []
    /// Without what a closure of the caller's is given: that says nothing of whose rows are meant.
    private(set) var types = ""

    /// - Parameter text: from the function's name on.
    init?(_ text: Substring) {
        guard let open = text.firstIndex(of: "(") else { return nil }
        function = String(text[..<open])
        var (parentheses, brackets) = (0, 0)
        var part = ""
        for character in text[open...] {
            switch character {
            case "(": parentheses += 1
            case ")": parentheses -= 1
            case "[": brackets += 1
            case "]": brackets -= 1
            case "," where parentheses == 1 && brackets == 0:
                add(part)
                part = ""
            default: part.append(parentheses == 1 ? character : " ")
            }
            if parentheses == 0 {
                add(part)
                return
            }
        }
        return nil
    }

    private mutating func add(_ part: String) {
        let words = part.split(whereSeparator: \.isWhitespace)
        guard let first = words.first else { return }
        labels.append(first.hasSuffix(":") ? String(first.dropLast()) : String(first))
        types += part.drop { $0 != ":" } + " "
    }
}
