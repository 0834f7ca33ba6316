/// A piece of text that code must not contain, where it is looked for, and why.
struct Ban: Sendable {
    let name: String
    let reason: String
    private let pattern: Pattern
    private let applies: @Sendable (SwiftSource) -> Bool

    init(
        _ name: String, _ pattern: String, _ reason: String,
        where applies: @escaping @Sendable (SwiftSource) -> Bool = { _ in true }
    ) throws {
        self.name = name
        self.reason = reason
        self.pattern = try Pattern(pattern)
        self.applies = applies
    }

    func violations(in source: SwiftSource) -> [Violation] {
        guard applies(source) else { return [] }
        return pattern.lineNumbers(in: source.code)
            .map { Violation(rule: name, path: source.path, line: $0, reason: reason) }
    }
}

private let injected = "comes in from outside (Clock, IDSource, RandomSource), so that a seed replays a run"
private let crash = "crashes the process, with every stream in it; throw, return, or use precondition for our own bugs"

@Sendable private func outsideSystemSources(_ source: SwiftSource) -> Bool {
    source.path != "Sources/Kernel/SystemSources.swift"
}

@Sendable private func inSources(_ source: SwiftSource) -> Bool { !source.isTest }

/// What the Kernel offers is `public`, since compilers put nothing else of another module in its caller's place:
/// docs/adr/0053-built-by-what-it-does.md.
@Sendable private func inRoomsAboveTheKernel(_ source: SwiftSource) -> Bool {
    !source.isTest && source.room != "Kernel"
}

@Sendable private func inTests(_ source: SwiftSource) -> Bool { source.isTest }

@Sendable private func whereTasksMustBeStructured(_ source: SwiftSource) -> Bool {
    !source.isTest && source.room != "App" && source.room != "TestKit"
}

/// Who may look across workspaces. Every row says why a workspace's own scope would not do.
private let systemScopeFiles: Set<String> = [
    // A key is looked up before it is known whose it is.
    "Sources/Stores/DatabaseKeyStore.swift",
    // One batch of the shipper holds rows of many workspaces.
    "Sources/Stores/DatabaseUsageStore.swift",
    "Sources/Stores/DatabaseRouteStore.swift",
    // Deployments belong to the platform.
    "Sources/Stores/DatabaseRegistryStore.swift",
    // The router of a node reads what all workspaces have set.
    "Sources/Stores/DatabaseRoutingStore.swift",
    // Tenants belong to the platform.
    "Sources/Stores/DatabaseTenantStore.swift",
    // The first workspace is made with its tenant; an operator's identifier may be of any tenant.
    "Sources/Stores/DatabaseWorkspaceStore.swift",
    // What is due to go is looked for in all tenants.
    "Sources/Stores/DatabaseWorkspaceStore+Purge.swift",
    // People belong to the platform, and may be members of several tenants.
    "Sources/Stores/DatabaseUserStore.swift",
    "Sources/Stores/DatabaseSessionStore.swift",
    // A user's places are in several tenants; an operator's identifier may be of any.
    "Sources/Stores/DatabaseMemberStore.swift",
    "Sources/Stores/DatabaseRuleStore.swift",
    // The platform has an audit chain and keyed requests of its own, and old records go whosever they are.
    "Sources/Stores/DatabaseAuditStore.swift",
    "Sources/Stores/DatabaseIdempotencyStore.swift",
    // Nodes follow the revocations of all tenants.
    "Sources/Stores/DatabaseRevocationStore.swift",
    // Providers and sealed secrets belong to the platform.
    "Sources/Stores/DatabaseProviderStore.swift",
    "Sources/Stores/DatabaseSealedRows.swift",
    // The ledger's proof is over everybody's rows, and its chain over everybody's postings.
    "Sources/Stores/DatabaseLedgerReports.swift", "Sources/Stores/DatabaseLedgerReports+Statement.swift",
    "Sources/Stores/DatabaseLedgerChain.swift",
    // Price books are the platform's.
    "Sources/Stores/DatabasePriceStore.swift",
    // What waits in suspense is of all tenants.
    "Sources/Stores/DatabaseLedger+Suspense.swift",
    // A posting of the ledger touches accounts of the platform, and of many tenants; so does a node's escrow.
    "Sources/Stores/DatabaseLedger.swift",
    "Sources/Stores/DatabaseLedger+Reading.swift",
    "Sources/Stores/DatabaseLedger+Escrow.swift",
    "Sources/Stores/DatabaseLedger+EscrowEnds.swift",
    "Sources/Stores/DatabaseLedger+Settlement.swift",
    // Accounts are written by the system alone, and a budget's identifier may be of any tenant.
    "Sources/Stores/DatabaseBudgetStore.swift", "Sources/Stores/DatabaseSpendingStore.swift",
    // So are credit and plans; months end for all tenants at once.
    "Sources/Stores/DatabaseWalletStore.swift", "Sources/Stores/DatabaseWalletStore+Plans.swift",
    // Windows move for all tenants.
    "Sources/Stores/DatabaseRollingBudgets.swift",
    // Nodes share the limits of all tenants.
    "Sources/Stores/DatabaseRateStore.swift",
    // Asks only whether the database answers.
    "Sources/App/Doctor/Examination.swift",
]

@Sendable private func whereScopesAreChosen(_ source: SwiftSource) -> Bool {
    !source.isTest && !["TestKit", "Scenarios", "SQLiteEngine", "PostgresEngine"].contains(source.room)
}

func makeBans() throws -> [Ban] {
    [
        try Ban("date", #"\bDate(\(\)|\.now\b)"#, "time " + injected, where: outsideSystemSources),
        try Ban("uuid", #"\bUUID\(\)"#, "an identifier " + injected, where: outsideSystemSources),
        try Ban("random", #"\.random(Element)?\("#, "randomness " + injected, where: outsideSystemSources),
        try Ban("shuffle", #"\.shuffled?\(\)"#, "randomness " + injected, where: outsideSystemSources),
        try Ban(
            "sleep-in-test", #"(\bTask\.sleep|\bThread\.sleep|(?<![.\w])(?<!func )u?sleep)\("#,
            "a test waits for a condition; a sleep is slow on a good day and wrong on a bad one", where: inTests),
        try Ban("try!", #"\btry!"#, "try! " + crash),
        try Ban("as!", #"\bas!"#, "as! " + crash),
        try Ban("force-unwrap", #"(?<!\btry)(?<!\bas)(?<=[\w)\]}"?])!(?!=)"#, "a force unwrap " + crash),
        try Ban("fatalError", #"\bfatalError\("#, "fatalError " + crash),
        try Ban(
            "print", #"(?<![.\w])(debugPrint|print|dump|NSLog)\("#,
            "standard output belongs to the command line's data; everything else is logged", where: inSources),
        try Ban(
            "static-var", #"\bstatic\s+var\s+\w+[^{\n]*(=|:[^{\n]*$)"#,
            "shared mutable state is reachable from every task; pass a value in"),
        try Ban(
            "singleton", #"\bstatic\s+let\s+(shared|instance)\b"#,
            "a singleton hides who depends on it; wire it in App and pass it by initializer"),
        try Ban(
            "unstructured-task", #"\bTask(\.detached|<[^>\n]*>)?\s*(\([^)\n]*\)\s*)?\{"#,
            "an unstructured task outlives whoever started it and swallows its error; use a task group",
            where: whereTasksMustBeStructured),
        try Ban(
            "public", #"^\s*(@\w+\s+)*(public|open)\s+\w"#,
            "one package: access between targets is `package`, and nobody outside compiles against us",
            where: inRoomsAboveTheKernel),
        try Ban(
            "banned-name",
            #"\b(class|struct|enum|protocol|actor|typealias)\s+\w*(Managers?|Helpers?|Utils?|Base|Impl)\b"#,
            "the name says nothing about what the type is for; use the words of DESIGN.md section 2"),
        try Ban(
            "system-scope", #"\b(read|write|guarded|execute|fetching|storing|guarding)\(\s*\.system\b|^\s*\.system\)"#,
            "the system's scope sees every workspace; only the files on the list in Bans.swift may name it",
            where: { whereScopesAreChosen($0) && !systemScopeFiles.contains($0.path) }),
        try Ban(
            "schema-scope", #"\b(read|write|guarded|execute|fetching|storing|guarding)\(\s*\.schema\b"#,
            "only migrations change the schema",
            where: { whereScopesAreChosen($0) && $0.path != "Sources/Database/Migrator.swift" }),
        // NIO's `Channel` names its requirement so.
        try Ban(
            "get-prefix", #"\bfunc\s+get(?!Option\b)[A-Z]"#,
            "a function is named for what it returns; `get` adds nothing"),
    ]
}

/// Rules about text that no single pattern over code can hold.
struct TextRules: Sendable {
    private let unchecked: Pattern
    private let statement: Pattern
    private let looseEnd: Pattern

    init() throws {
        unchecked = try Pattern(#"@unchecked\s+Sendable|nonisolated\(unsafe\)"#)
        statement = try Pattern(
            #"\b(SELECT\b[\s\S]*\bFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM)\b"#
                + #"|\b(CREATE|DROP|ALTER)\s+(TABLE|INDEX)\b"#)
        looseEnd = try Pattern(#"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))"#)
    }

    func violations(in source: SwiftSource) -> [Violation] {
        unsafeWithoutReason(in: source) + interpolatedSQL(in: source) + looseEnds(in: source)
    }

    private func unsafeWithoutReason(in source: SwiftSource) -> [Violation] {
        unchecked.lineNumbers(in: source.code).compactMap { line in
            let near = source.comments[max(0, line - 6)..<line]
            guard !near.contains(where: { $0.contains("SAFETY:") }) else { return nil }
            return Violation(
                rule: "unsafe-without-reason", path: source.path, line: line,
                reason: "the compiler no longer checks this; a `// SAFETY:` line above must say what does")
        }
    }

    private func interpolatedSQL(in source: SwiftSource) -> [Violation] {
        guard !source.isTest else { return [] }
        return source.literals.compactMap { literal in
            guard literal.isInterpolated, statement.isFound(in: literal.text) else { return nil }
            return Violation(
                rule: "interpolated-sql", path: source.path, line: literal.line,
                reason: "SQL built by interpolation is how injections happen; bind $1, $2 and so on")
        }
    }

    private func looseEnds(in source: SwiftSource) -> [Violation] {
        looseEnd.lineNumbers(in: source.comments).map { line in
            Violation(
                rule: "loose-end", path: source.path, line: line,
                reason: "a loose end without an issue is never tied: write TODO(#12), or do it")
        }
    }
}
