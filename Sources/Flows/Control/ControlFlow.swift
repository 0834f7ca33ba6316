package import Fleet
package import Inference
package import Kernel
package import Tenancy

/// `Control` over the stores, acting for one workspace.
package struct ControlFlow: Control {
    /// What the flow works with; the same for every workspace.
    package struct Parts: Sendable {
        package let keys: any KeyStore
        package let hasher: any SecretHasher
        /// Where the platform runs: its cache of verdicts forgets revoked keys at once. Nil without a platform.
        package let verifier: KeyVerifier?
        package let deployments: any RegistryStore
        package let registry: RegistryRefresh
        package let usage: any UsageStore
        package let runtimes: @Sendable () async -> [ModelServiceStatus]
        package let clock: any Clock
        package let ids: IDSource
        package let random: any RandomSource

        package init(
            keys: any KeyStore, hasher: any SecretHasher, verifier: KeyVerifier?, deployments: any RegistryStore,
            registry: RegistryRefresh, usage: any UsageStore,
            runtimes: @escaping @Sendable () async -> [ModelServiceStatus], clock: any Clock, ids: IDSource,
            random: any RandomSource
        ) {
            self.keys = keys
            self.hasher = hasher
            self.verifier = verifier
            self.deployments = deployments
            self.registry = registry
            self.usage = usage
            self.runtimes = runtimes
            self.clock = clock
            self.ids = ids
            self.random = random
        }
    }

    let workspace: Workspace
    let parts: Parts

    package init(workspace: Workspace, parts: Parts) {
        self.workspace = workspace
        self.parts = parts
    }

    package func createKey(_ request: NewKey) async throws -> CreatedKey {
        let now = parts.clock.now
        let name = try request.checkedName()
        if let expires = request.expires, expires <= now {
            throw Problem(
                .validationError, "`expires` lies in the past.", parameter: "expires",
                hint: "Give a time that is still to come, or leave it out for a key that does not expire.")
        }
        let token = KeyToken.make(random: parts.random)
        let key = APIKey(
            id: parts.ids.next(), tenant: workspace.tenant, workspace: workspace.id, name: name,
            prefix: token.prefix, hash: try await parts.hasher.hash(token.text), created: now,
            expires: request.expires)
        try await parts.keys.insert(key)
        // Somebody may have guessed the prefix before it existed.
        parts.verifier?.invalidate(prefix: key.prefix)
        return CreatedKey(view: KeyView(key), token: token.text)
    }

    package func listKeys(_ page: PageRequest) async throws -> Page<KeyView> {
        try await parts.keys.list(in: workspace.id, page: page).map(KeyView.init)
    }

    package func revokeKey(_ id: KeyID) async throws -> KeyView {
        guard let key = try await parts.keys.revoke(id, in: workspace.id, at: parts.clock.now) else {
            throw Problem(
                .notFound, "There is no key `\(id)`.", parameter: "id", hint: "`volery keys list` shows the keys.")
        }
        parts.verifier?.invalidate(prefix: key.prefix)
        return KeyView(key)
    }

    package func usageRows(_ page: PageRequest) async throws -> Page<UsageRowView> {
        try await parts.usage.list(in: workspace.id, page: page).map(UsageRowView.init)
    }

    package func usageSummary(days: Int) async throws -> [UsageSummaryView] {
        guard (1...366).contains(days) else {
            throw Problem(
                .validationError, "days must be between 1 and 366, not \(days).", parameter: "days",
                hint: "Ask for at most a year; single rows go back further.")
        }
        return try await parts.usage.summary(in: workspace.id, days: days, until: parts.clock.now)
            .map(UsageSummaryView.init)
    }

    package func runtimes() async throws -> [ModelServiceStatus] { await parts.runtimes() }
}

extension NewKey {
    static let longestName = 100

    func checkedName() throws(Problem) -> String {
        let isPrintable = name.unicodeScalars.allSatisfy { !$0.properties.generalCategory.isControl }
        guard !name.allSatisfy(\.isWhitespace), name.count <= Self.longestName, isPrintable else {
            throw Problem(
                .validationError, "`name` is not usable as a key's name.", parameter: "name",
                hint: "Use 1 to \(Self.longestName) characters that can be printed.")
        }
        return name
    }
}

extension Unicode.GeneralCategory {
    fileprivate var isControl: Bool {
        switch self {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
        default: false
        }
    }
}
