package import Kernel

/// How a node last saw a deployment do.
package struct DeploymentHealth: Sendable, Hashable {
    package enum State: String, Sendable, Codable, CaseIterable {
        case good, failing, open, probing, ejected

        package init(_ health: RoutingSignal.Health) {
            self =
                switch health {
                case .good: .good
                case .failing: .failing
                case .open: .open
                case .probing: .probing
                case .ejected: .ejected
                }
        }
    }

    package let state: State
    package let seen: Instant

    package init(_ state: State, seen: Instant) {
        self.state = state
        self.seen = seen
    }
}
