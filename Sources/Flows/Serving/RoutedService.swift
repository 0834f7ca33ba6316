package import Inference
import Kernel
import Synchronization

/// A model's deployments with what is known of each, made once for each snapshot of the registry.
package final class RoutedService: Sendable {
    package let deployments: [Deployment]
    package let targets: [RoutingTarget]
    /// As records of decisions have them.
    let encoded: [EncodedTarget]
    package let states: [DeploymentState]
    package let state: ServiceState
    /// Of all of them, where they have the same: then who may use one may use all.
    let names: ModelNames?

    init(_ service: ModelService, on board: RoutingBoard) {
        deployments = service.deployments
        targets = service.targets
        encoded = targets.map(EncodedTarget.init)
        states = board.states(of: deployments)
        state = board.service(of: deployments[0].model, in: deployments[0].environment)
        let names = deployments[0].names
        self.names = deployments.dropFirst().allSatisfy { $0.names == names } ? names : nil
    }
}

/// The services that were asked for since the registry changed.
final class RoutedServices: Sendable {
    private struct Key: Hashable {
        let name: ModelName
        let environment: ModelEnvironment
    }

    private struct State {
        var snapshot: UInt64 = 0
        var services: [Key: RoutedService] = [:]
        /// Asked for last, and so likely next: a comparison costs less than a look-up.
        var last: (key: Key, service: RoutedService)?

        mutating func service(_ key: Key) -> RoutedService? {
            if last?.key == key { return last?.service }
            guard let service = services[key] else { return nil }
            last = (key, service)
            return service
        }
    }

    private let board: RoutingBoard
    private let state = Mutex(State())

    init(board: RoutingBoard) { self.board = board }

    /// The one that was asked for last, where it is asked for again: by its name as it is, which was read then.
    func last(
        named text: String, in environment: ModelEnvironment, _ snapshot: RegistrySnapshot
    ) -> RoutedService? {
        state.withLock { state in
            guard state.snapshot == snapshot.number, let known = state.last?.key.name.text,
                // Other letters may be the same text as a name's, and are always more bytes.
                known.utf8.count == text.utf8.count, known == text, state.last?.key.environment == environment
            else { return nil }
            return state.last?.service
        }
    }

    /// - Returns: nil where the snapshot has no such model.
    func service(
        of name: ModelName, in environment: ModelEnvironment, _ snapshot: RegistrySnapshot
    ) -> RoutedService? {
        let key = Key(name: name, environment: environment)
        let known: RoutedService? = state.withLock { state in
            guard state.snapshot == snapshot.number else { return nil }
            return state.service(key)
        }
        if let known { return known }
        guard let found = snapshot.service(of: name, in: environment) else { return nil }
        let made = RoutedService(found, on: board)
        let isNew = state.withLock { state in
            // A request that still holds an older snapshot changes nothing for those that have a newer one.
            guard snapshot.number >= state.snapshot else { return false }
            let isNew = snapshot.number > state.snapshot
            if isNew { state = State(snapshot: snapshot.number) }
            state.services[key] = made
            return isNew
        }
        if isNew { board.keep(only: snapshot.deployments) }
        return made
    }

    /// Some of a service's deployments: those that a caller may use.
    func part(_ deployments: [Deployment]) -> RoutedService { RoutedService(ModelService(deployments), on: board) }
}
