package import Fleet
package import Inference
package import Kernel

/// What `/readyz` answers: whether something can be served, and what is still loading or failing.
package struct Readiness: Sendable, Codable, Equatable {
    package enum Status: String, Sendable, Codable {
        case ready, starting, draining
        /// Models could answer, but nothing may run: the reasons say why.
        case blocked
    }

    package struct Model: Sendable, Codable, Equatable {
        package let model: String
        package let aliases: [String]
        package let state: String
        package let detail: String?
        package let progress: FetchProgress?

        package init(model: String, aliases: [String], state: String, detail: String?, progress: FetchProgress?) {
            self.model = model
            self.aliases = aliases
            self.state = state
            self.detail = detail
            self.progress = progress
        }

        /// Absent values are written as null, so that the shape is always the same.
        package func encode(to encoder: any Encoder) throws {
            var members = encoder.container(keyedBy: CodingKeys.self)
            try members.encode(model, forKey: .model)
            try members.encode(aliases, forKey: .aliases)
            try members.encode(state, forKey: .state)
            try members.encode(detail, forKey: .detail)
            try members.encode(progress, forKey: .progress)
        }
    }

    /// What requests are routed by.
    package struct Registry: Sendable, Codable, Equatable {
        package enum State: String, Sendable, Codable {
            case current
            /// The database does not answer; routing goes on with what was read last.
            case stale
        }

        /// Counted on this node from its start; grows with each change.
        package let snapshot: UInt64
        package let state: State
        package let read: Instant?
        package let detail: String?

        package init(_ freshness: RegistryFreshness) {
            snapshot = freshness.snapshot
            state = freshness.isCurrent ? .current : .stale
            read = freshness.read
            detail =
                freshness.isCurrent
                ? nil
                : "The database does not answer: routing goes on with what was read "
                    + (freshness.read.map { "at \($0)." } ?? "at the start.")
        }

        /// Absent values are written as null, so that the shape is always the same.
        package func encode(to encoder: any Encoder) throws {
            var members = encoder.container(keyedBy: CodingKeys.self)
            try members.encode(snapshot, forKey: .snapshot)
            try members.encode(state, forKey: .state)
            try members.encode(read, forKey: .read)
            try members.encode(detail, forKey: .detail)
        }
    }

    package let status: Status
    /// Nil for whoever may not know it.
    package let version: String?
    /// In words, what keeps the platform from serving although models are ready.
    package let reasons: [String]
    package let models: [Model]
    /// Nil where nothing is read from a database.
    package let registry: Registry?

    /// - Parameters:
    ///   - freshness: how new the snapshot is. An old one is told, and keeps nothing from being served.
    ///   - blocked: what keeps everything from being served, such as a journal that cannot be written.
    package init(
        registry: RegistrySnapshot, freshness: RegistryFreshness? = nil, services: [ModelServiceStatus],
        isDraining: Bool, blocked: [String], version: String
    ) {
        self.registry = freshness.map(Registry.init)
        let serving = registry.models()
        let names = Set(serving.map(\.model.text))
        models =
            serving.map {
                Model(model: $0.model.text, aliases: $0.aliases.map(\.text), state: "ready", detail: nil, progress: nil)
            }
            + services.filter { !names.contains($0.model) }.map {
                Model(
                    model: $0.model, aliases: $0.aliases, state: $0.state.rawValue, detail: $0.detail,
                    progress: $0.progress)
            }
        reasons = blocked
        self.version = version
        status = isDraining ? .draining : !blocked.isEmpty ? .blocked : serving.isEmpty ? .starting : .ready
    }

    private init(status: Status, version: String?, reasons: [String], models: [Model], registry: Registry?) {
        self.registry = registry
        self.status = status
        self.version = version
        self.reasons = reasons
        self.models = models
    }

    /// Without the version, which tells an attacker what to try.
    package var forEverybody: Readiness {
        Readiness(status: status, version: nil, reasons: reasons, models: models, registry: registry)
    }

    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(status, forKey: .status)
        try members.encode(version, forKey: .version)
        try members.encode(reasons, forKey: .reasons)
        try members.encode(models, forKey: .models)
        try members.encode(registry, forKey: .registry)
    }

    package var isReady: Bool { status == .ready }
}
