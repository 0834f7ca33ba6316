import Crypto
import Fleet
import Inference
import Kernel
import Synchronization

/// Turns the model services of this machine into what the router sees.
final class RuntimeDeployments: Sendable {
    private let registry: Registry
    private let cards: [String: ModelCard]
    /// By recipe, in the order of the recipes' names.
    private let statuses = Mutex<[String: ModelServiceStatus]>([:])

    init(registry: Registry, recipes: [Recipe]) {
        self.registry = registry
        cards = Dictionary(recipes.map { ($0.name, $0.card) }) { first, _ in first }
    }

    func update(_ status: ModelServiceStatus) {
        statuses.withLock { statuses in
            statuses[status.name] = status
            let all = statuses.values.sorted { $0.name < $1.name }
            // Under the lock, so that an older state never replaces a newer one.
            registry.replaceRuntimes(
                all.compactMap(deployment), loading: loading(all),
                broken: Set(all.filter { $0.state == .failed }.flatMap(names)))
        }
    }

    private func deployment(_ status: ModelServiceStatus) -> Deployment? {
        guard status.isReady, let card = cards[status.name], let model = ModelName(card.name),
            let endpoint = status.endpoint.flatMap({ Inference.Endpoint($0) })
        else { return nil }
        return Deployment(
            id: Self.id(of: status.name), model: model, aliases: card.aliases.compactMap { ModelName($0) },
            wire: .openAI, endpoint: endpoint, upstreamModel: card.upstreamName,
            capabilities: Set(card.capabilities.compactMap { Capability(rawValue: $0.rawValue) }),
            contextLimit: card.contextLimit, origin: .runtime, registered: status.since)
    }

    /// What exists here and cannot answer yet, under each of its names.
    private func loading(_ statuses: [ModelServiceStatus]) -> [ModelName: String] {
        var loading: [ModelName: String] = [:]
        for status in statuses where !status.isReady && status.state != .stopped && status.state != .failed {
            for name in names(status) { loading[name] = status.state.rawValue }
        }
        return loading
    }

    private func names(_ status: ModelServiceStatus) -> [ModelName] {
        ([status.model] + status.aliases).compactMap { ModelName($0) }
    }

    /// The same in every process, so that usage rows of a restart name the same deployment.
    static func id(of name: String) -> DeploymentID {
        let words = SHA256.hash(data: Array("runtime \(name)".utf8)).withUnsafeBytes {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return DeploymentID(ULID(high: words.0.bigEndian, low: words.1.bigEndian))
    }
}
