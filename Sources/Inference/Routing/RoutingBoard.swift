package import Kernel
import Synchronization

/// How all deployments of this node do, through every change of the registry: what was learned of one stays as long as
/// it is there.
package final class RoutingBoard: Sendable {
    private struct ServiceKey: Hashable {
        let model: ModelName
        let environment: ModelEnvironment
    }

    private struct State {
        var deployments: [DeploymentID: DeploymentState] = [:]
        var services: [ServiceKey: ServiceState] = [:]
    }

    private let clock: any Clock
    private let breaker: Breaker.Settings
    private let line: Int
    private let state = Mutex(State())

    /// - Parameter line: how many requests may wait for one model's deployments.
    package init(clock: any Clock, breaker: Breaker.Settings = Breaker.Settings(), line: Int = 256) {
        self.clock = clock
        self.breaker = breaker
        self.line = line
    }

    package func service(of model: ModelName, in environment: ModelEnvironment) -> ServiceState {
        let key = ServiceKey(model: model, environment: environment)
        return state.withLock { state in
            if let known = state.services[key] { return known }
            let made = ServiceState(line: line, at: clock.uptime)
            state.services[key] = made
            return made
        }
    }

    /// In their order, made where they are not known yet, and bound to what was registered.
    package func states(of deployments: [Deployment]) -> [DeploymentState] {
        let states = state.withLock { state in
            deployments.map { deployment in
                if let known = state.deployments[deployment.id] { return known }
                let made = DeploymentState(deployment.id, breaker: breaker, at: clock.uptime)
                state.deployments[deployment.id] = made
                return made
            }
        }
        for (deployment, state) in zip(deployments, states) { state.bind(deployment.terms.concurrency) }
        return states
    }

    /// Nil for a deployment that nobody asked for yet.
    package func health(of id: DeploymentID, by clock: any Clock) -> DeploymentHealth? {
        guard let state = state(of: id) else { return nil }
        let (health, probed) = state.health(at: clock.uptime)
        return DeploymentHealth(.init(health), seen: probed ?? clock.now)
    }

    /// How many of the deployments that were called do so.
    package func count(_ state: DeploymentHealth.State) -> Int {
        let all = self.state.withLock { Array($0.deployments.values) }
        return all.count { DeploymentHealth.State($0.health(at: clock.uptime).health) == state }
    }

    package func state(of id: DeploymentID) -> DeploymentState? { state.withLock { $0.deployments[id] } }

    /// Forgets what is registered no more. Requests that run there keep what they hold.
    package func keep(only deployments: [Deployment]) {
        let ids = Set(deployments.map(\.id))
        let services = Set(deployments.map { ServiceKey(model: $0.model, environment: $0.environment) })
        state.withLock { state in
            state.deployments = state.deployments.filter { ids.contains($0.key) }
            state.services = state.services.filter { services.contains($0.key) || $0.value.waiting > 0 }
        }
    }
}
