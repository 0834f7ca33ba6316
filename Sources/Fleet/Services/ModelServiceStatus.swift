package import Kernel

/// One model service as listings show it: `/readyz`, `volery runtimes list`, the banner.
package struct ModelServiceStatus: Sendable, Equatable, Codable {
    /// The recipe's name.
    package let name: String
    package let model: String
    package let aliases: [String]
    package let kind: ModelCard.Kind
    package let state: ServiceState.Phase
    /// One line for people: what happens now, or why it does not.
    package let detail: String
    package let progress: FetchProgress?
    /// Base URL, while it is ready.
    package let endpoint: String?
    package let pid: Int32?
    package let restarts: Int
    package let since: Instant
    package let licence: String
    package let contextLimit: Int
    package let memoryMiB: Int
    /// Bytes of the model's files, whether they are here or not.
    package let bytes: Int64

    private enum CodingKeys: String, CodingKey {
        case name, model, aliases, kind, state, detail, progress, endpoint, pid, restarts, since, licence, bytes
        case contextLimit = "context_limit"
        case memoryMiB = "memory_mib"
    }

    package var isReady: Bool { state == .ready }

    /// - Parameter pid: of the process that serves the model, when one runs.
    package init(recipe: Recipe, machine: ServiceMachine, pid: Int32?) {
        name = recipe.name
        model = recipe.card.name
        aliases = recipe.card.aliases
        kind = recipe.card.kind
        state = machine.state.phase
        detail = machine.state.detail
        if case .fetching(let progress) = machine.state { self.progress = progress } else { progress = nil }
        if case .ready(let endpoint) = machine.state { self.endpoint = endpoint.url } else { endpoint = nil }
        self.pid = pid
        restarts = machine.restarts
        since = machine.since
        licence = recipe.card.licence
        contextLimit = recipe.card.contextLimit
        memoryMiB = recipe.resources.memoryMiB
        bytes = recipe.bytes
    }
}

extension ServiceState {
    var detail: String {
        switch self {
        case .stopped: "not running"
        case .fetching(nil): "looking for the model's files"
        case .fetching(let progress?): "fetching \(progress.file) from \(progress.source)"
        case .preparing(let what): what
        case .starting(let attempt): attempt == 1 ? "loading the model" : "loading the model, try \(attempt)"
        case .ready(let endpoint): "answers at \(endpoint.url)"
        case .backingOff(let backoff):
            "failed \(backoff.failures == 1 ? "once" : "\(backoff.failures) times in a row"), tried again at "
                + "\(backoff.until): \(backoff.reason)"
        case .failed(let problem): "\(problem.message) \(problem.hint)"
        case .stopping: "stopping"
        }
    }
}
