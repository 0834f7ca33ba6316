package import Kernel

/// What a name leads to: the deployments that may answer, in the order of their identifiers, and what they are chosen
/// by.
package struct ModelService: Sendable, Hashable {
    package let deployments: [Deployment]
    /// One for each deployment, in their order: made once for all requests.
    package let targets: [RoutingTarget]

    /// - Parameter deployments: at least one, all of one model and environment.
    package init(_ deployments: [Deployment]) {
        self.deployments = deployments
        targets = deployments.map(RoutingTarget.init)
    }
}

/// What the router sees: every deployment and each workspace's routing at one moment. Immutable, so that a request
/// reads one truth throughout, and prepared, so that it finds by one look what it needs. A class, since every request
/// takes it along: one reference, and not one for each table.
package final class RegistrySnapshot: Sendable {
    /// Counted on its node from its start; what is the same has the same number.
    package let number: UInt64
    /// Sorted by model, then by id; those that are disabled too. An alias that is another model's own name there leads
    /// to that one, and is left out: what is allowed or limited by the name is not about this one.
    package let deployments: [Deployment]
    /// Models that exist here but cannot answer yet, with the reason in words.
    package let loading: [ModelName: String]
    /// Models of this machine that cannot run until somebody mends something.
    package let broken: Set<ModelName>
    private let services: [ServiceKey: ModelService]
    private let routings: [WorkspaceID: PreparedRouting]

    private struct ServiceKey: Hashable {
        let model: ModelName
        let environment: ModelEnvironment
    }

    package init(
        number: UInt64 = 0, deployments: [Deployment] = [], loading: [ModelName: String] = [:],
        broken: Set<ModelName> = [], routings: [WorkspaceID: WorkspaceRouting] = [:]
    ) {
        let own = Set(deployments.map { ServiceKey(model: $0.model, environment: $0.environment) })
        self.number = number
        self.deployments =
            deployments
            .map { deployment in
                deployment.without { own.contains(ServiceKey(model: $0, environment: deployment.environment)) }
            }
            .sorted { ($0.model, $0.id) < ($1.model, $1.id) }
        self.loading = loading
        self.broken = broken
        self.routings = routings.mapValues(PreparedRouting.init)
        services = Self.services(of: self.deployments)
    }

    /// By every name that leads somewhere. A model's own name wins over another's alias, and both win over what only
    /// reads like a model and its version.
    private static func services(of deployments: [Deployment]) -> [ServiceKey: ModelService] {
        var named: [ServiceKey: [Deployment]] = [:]
        var aliased: [ServiceKey: [Deployment]] = [:]
        var versioned: [ServiceKey: [Deployment]] = [:]
        for deployment in deployments {
            func key(_ name: ModelName) -> ServiceKey { ServiceKey(model: name, environment: deployment.environment) }
            named[key(deployment.model), default: []].append(deployment)
            for alias in deployment.aliases { aliased[key(alias), default: []].append(deployment) }
            guard let version = deployment.terms.version else { continue }
            for name in [deployment.model] + deployment.aliases {
                guard let name = name.at(version: version) else { continue }
                versioned[key(name), default: []].append(deployment)
            }
        }
        return named.merging(aliased) { own, _ in own }.merging(versioned) { name, _ in name }
            .mapValues(ModelService.init)
    }

    /// What the name leads to: a model's own name, an alias, or `model@version`; nil for none. One that is disabled is
    /// still found: who chooses passes it over, and can say why.
    package func service(
        of model: ModelName, in environment: ModelEnvironment = .production
    ) -> ModelService? {
        services[ServiceKey(model: model, environment: environment)]
    }

    /// What a workspace's caller means by the name: the model whose own name it is, else what the workspace's hint
    /// stands for, else what the name is for everybody.
    package func meaning(
        of asked: ModelName, in environment: ModelEnvironment = .production, by routing: WorkspaceRouting
    ) -> ModelName {
        guard let hinted = routing.hints[asked] else { return asked }
        return service(of: asked, in: environment)?.deployments.first?.model == asked ? asked : hinted
    }

    /// The deployments of a model service, by any name that leads to it; empty when there is none.
    package func deployments(
        of model: ModelName, in environment: ModelEnvironment = .production
    ) -> [Deployment] {
        service(of: model, in: environment)?.deployments ?? []
    }

    /// One of each model service that may answer, for listings.
    package func models(in environment: ModelEnvironment = .production) -> [Deployment] {
        var seen: Set<ModelName> = []
        return deployments.filter {
            $0.environment == environment && $0.terms.isEnabled && seen.insert($0.model).inserted
        }
    }

    /// One of each model service whose deployments are all disabled.
    package func disabledModels(in environment: ModelEnvironment = .production) -> [Deployment] {
        var seen = Set(models(in: environment).map(\.model))
        return deployments.filter { $0.environment == environment && seen.insert($0.model).inserted }
    }

    /// What the workspace has set; nil where it has set nothing.
    package func routing(of workspace: WorkspaceID) -> WorkspaceRouting? { routings[workspace]?.routing }

    /// The same for who serves its requests.
    package func preparedRouting(of workspace: WorkspaceID) -> PreparedRouting? { routings[workspace] }
}
