import Flows
import Inference
import Kernel

extension DeclarationPlanner {
    mutating func plan(providers declared: [ProviderDeclaration]?, changedKeys: Set<String>) {
        guard let declared else { return }
        for provider in declared {
            guard let actual = state.providers.first(where: { $0.name == provider.name }) else {
                var details: [Step.Detail] = []
                if let endpoint = provider.endpoint {
                    details.append(.init(name: "endpoint", before: nil, after: endpoint.description))
                }
                if let key = provider.key { details.append(.init(name: "key", before: nil, after: key.text)) }
                add(
                    Step(
                        change: .create, kind: "provider", name: provider.name, details: details, tenant: "",
                        action: .addProvider(provider.name, endpoint: provider.endpoint?.description)))
                continue
            }
            if let endpoint = provider.place, endpoint.description != actual.endpoint {
                conflict(
                    "The provider `\(provider.name)` has the endpoint \(actual.endpoint); its key goes there alone. "
                        + "For \(endpoint), remove it first, or take another name.")
            }
            guard let key = provider.key, changedKeys.contains(provider.name) else { continue }
            let stored = actual.keyStored.map { "stored \($0)" }
            add(
                Step(
                    change: .change, kind: "provider", name: provider.name,
                    details: [.init(name: "key", before: stored, after: key.text)], tenant: "",
                    action: .putKey(actual.id, of: provider.name)))
        }
    }

    /// After the deployments that use them.
    mutating func pruneProviders(except declared: [ProviderDeclaration]) {
        for provider in state.providers where !declared.contains(where: { $0.name == provider.name }) {
            remove(
                Step(
                    change: .remove, kind: "provider", name: provider.name, details: [], tenant: "",
                    action: .removeProvider(provider.id)))
        }
    }
}

extension ProviderDeclaration.KeySource {
    /// Where it is from, without a path or a name: somebody may have put the key itself there.
    var text: String {
        switch self {
        case .file: "from key_file"
        case .environment: "from key_env"
        }
    }
}
