package import Fleet
package import Inference

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

    package let status: Status
    /// Nil for whoever may not know it.
    package let version: String?
    /// In words, what keeps the platform from serving although models are ready.
    package let reasons: [String]
    package let models: [Model]

    /// - Parameters:
    ///   - blocked: what keeps everything from being served, such as a journal that cannot be written.
    package init(
        registry: RegistrySnapshot, services: [ModelServiceStatus], isDraining: Bool, blocked: [String],
        version: String
    ) {
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

    private init(status: Status, version: String?, reasons: [String], models: [Model]) {
        self.status = status
        self.version = version
        self.reasons = reasons
        self.models = models
    }

    /// Without the version, which tells an attacker what to try.
    package var forEverybody: Readiness {
        Readiness(status: status, version: nil, reasons: reasons, models: models)
    }

    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(status, forKey: .status)
        try members.encode(version, forKey: .version)
        try members.encode(reasons, forKey: .reasons)
        try members.encode(models, forKey: .models)
    }

    package var isReady: Bool { status == .ready }
}
