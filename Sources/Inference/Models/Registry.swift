package import Kernel
import Synchronization

/// What the router sees: every deployment at one moment. Immutable, so that a request reads one truth throughout.
package struct RegistrySnapshot: Sendable {
    /// Sorted by model, then by id. An alias that is another model's own name there leads to that one, and is left out:
    /// what is allowed or limited by the name is not about this one.
    package let deployments: [Deployment]
    /// Models that exist here but cannot answer yet, with the reason in words.
    package let loading: [ModelName: String]
    /// Models of this machine that cannot run until somebody mends something.
    package let broken: Set<ModelName>
    private let services: [ServiceKey: [Deployment]]

    private struct ServiceKey: Hashable {
        let model: ModelName
        let environment: ModelEnvironment
    }

    package init(
        deployments: [Deployment] = [], loading: [ModelName: String] = [:], broken: Set<ModelName> = []
    ) {
        let own = Set(deployments.map { ServiceKey(model: $0.model, environment: $0.environment) })
        self.deployments =
            deployments
            .map { deployment in
                deployment.without { own.contains(ServiceKey(model: $0, environment: deployment.environment)) }
            }
            .sorted { ($0.model, $0.id) < ($1.model, $1.id) }
        self.loading = loading
        self.broken = broken
        var named: [ServiceKey: [Deployment]] = [:]
        var aliased: [ServiceKey: [Deployment]] = [:]
        for deployment in self.deployments {
            named[ServiceKey(model: deployment.model, environment: deployment.environment), default: []]
                .append(deployment)
            for alias in deployment.aliases {
                aliased[ServiceKey(model: alias, environment: deployment.environment), default: []].append(deployment)
            }
        }
        services = named.merging(aliased) { own, _ in own }
    }

    /// The deployments of a model service, by its name or an alias; empty when there is none.
    package func deployments(
        of model: ModelName, in environment: ModelEnvironment = .production
    ) -> [Deployment] {
        services[ServiceKey(model: model, environment: environment)] ?? []
    }

    /// One of each model service, for listings.
    package func models(in environment: ModelEnvironment = .production) -> [Deployment] {
        var seen: Set<ModelName> = []
        return deployments.filter { $0.environment == environment && seen.insert($0.model).inserted }
    }
}

/// Holds the current snapshot. Each source of deployments replaces its own part; readers never wait for its work.
package final class Registry: Sendable {
    private struct Parts {
        var registered: [Deployment] = []
        var runtimes: [Deployment] = []
        var builtIn: [Deployment] = []
        var loading: [ModelName: String] = [:]
        var broken: Set<ModelName> = []
        var snapshot = RegistrySnapshot()

        mutating func rebuild() {
            snapshot = RegistrySnapshot(
                deployments: builtIn + runtimes + registered, loading: loading, broken: broken)
        }
    }

    private let parts: Mutex<Parts>

    package init(builtIn: [Deployment] = []) {
        var parts = Parts()
        parts.builtIn = builtIn
        parts.rebuild()
        self.parts = Mutex(parts)
    }

    package var snapshot: RegistrySnapshot { parts.withLock { $0.snapshot } }

    package func replaceRegistered(_ deployments: [Deployment]) {
        parts.withLock {
            $0.registered = deployments
            $0.rebuild()
        }
    }

    /// - Parameters:
    ///   - loading: models whose runtime is not ready, with the reason in words.
    ///   - broken: models whose runtime has given up.
    package func replaceRuntimes(
        _ deployments: [Deployment], loading: [ModelName: String], broken: Set<ModelName> = []
    ) {
        parts.withLock {
            $0.runtimes = deployments
            $0.loading = loading
            $0.broken = broken
            $0.rebuild()
        }
    }
}
