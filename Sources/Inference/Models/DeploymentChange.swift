package import Kernel

/// What becomes of a value that need not be there.
package enum FieldChange<Value: Sendable & Hashable>: Sendable, Hashable {
    case set(Value)
    case clear

    package var value: Value? {
        switch self {
        case .set(let value): value
        case .clear: nil
        }
    }

    package func map<New, Failure>(
        _ read: (Value) throws(Failure) -> New
    ) throws(Failure) -> FieldChange<New> {
        switch self {
        case .set(let value): .set(try read(value))
        case .clear: .clear
        }
    }
}

/// What becomes different about a deployment; what is nil stays as it is. Its model, environment, endpoint, protocol
/// and provider never change: with others it would be another deployment.
package struct DeploymentChange: Sendable, Hashable {
    package var aliases: [ModelName]?
    package var upstreamModel: String?
    package var capabilities: Set<Capability>?
    package var contextLimit: FieldChange<Int>?
    package var version: FieldChange<String>?
    package var weight: Int?
    package var priority: Int?
    package var region: FieldChange<String>?
    package var dataPolicies: Set<String>?
    package var promisedFirstToken: FieldChange<Duration>?
    package var concurrency: FieldChange<DeploymentTerms.Concurrency>?
    package var isEnabled: Bool?

    package init() {}

    package var isEmpty: Bool { self == DeploymentChange() }

    func applied(to terms: DeploymentTerms) -> DeploymentTerms {
        var terms = terms
        if let version { terms.version = version.value }
        if let weight { terms.weight = weight }
        if let priority { terms.priority = priority }
        if let region { terms.region = region.value }
        if let dataPolicies { terms.dataPolicies = dataPolicies }
        if let promisedFirstToken { terms.promisedFirstToken = promisedFirstToken.value }
        if let concurrency { terms.concurrency = concurrency.value }
        if let isEnabled { terms.isEnabled = isEnabled }
        return terms
    }
}

extension Deployment {
    /// The same with the change. Its revision grows only where something becomes different.
    package func changed(by change: DeploymentChange) -> Deployment {
        let changed = copy(change, revision: revision)
        return changed == self ? self : copy(change, revision: revision + 1)
    }

    private func copy(_ change: DeploymentChange, revision: Int64) -> Deployment {
        Deployment(
            id: id, model: model, environment: environment, aliases: change.aliases ?? aliases, wire: wire,
            endpoint: endpoint, upstreamModel: change.upstreamModel ?? upstreamModel,
            capabilities: change.capabilities ?? capabilities,
            contextLimit: change.contextLimit.map(\.value) ?? contextLimit, provider: provider,
            terms: change.applied(to: terms), origin: origin, registered: registered, revision: revision)
    }

    /// The same endpoint for another environment, as a deployment of its own.
    package func promoted(
        to environment: ModelEnvironment, id: DeploymentID, weight: Int, at now: Instant
    ) -> Deployment {
        var terms = terms
        terms.weight = weight
        return Deployment(
            id: id, model: model, environment: environment, aliases: aliases, wire: wire, endpoint: endpoint,
            upstreamModel: upstreamModel, capabilities: capabilities, contextLimit: contextLimit, provider: provider,
            terms: terms, origin: origin, registered: now)
    }

    /// Whether both would be the same to callers: one model service reaches the same thing at the same place.
    package func isTwin(of other: Deployment) -> Bool {
        model == other.model && environment == other.environment && endpoint == other.endpoint
            && upstreamModel == other.upstreamModel && provider == other.provider
    }
}
