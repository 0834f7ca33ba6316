package import Kernel
import Synchronization

/// Holds the current snapshot. Each source of deployments replaces its own part; readers never wait for its work.
package final class Registry: Sendable {
    private struct Parts: Equatable {
        var registered: [Deployment] = []
        var routings: [WorkspaceID: WorkspaceRouting] = [:]
        var runtimes: [Deployment] = []
        var builtIn: [Deployment] = []
        var loading: [ModelName: String] = [:]
        var broken: Set<ModelName> = []

        func snapshot(number: UInt64) -> RegistrySnapshot {
            RegistrySnapshot(
                number: number, deployments: builtIn + runtimes + registered, loading: loading, broken: broken,
                routings: routings)
        }
    }

    private struct State {
        var parts = Parts()
        var snapshot: RegistrySnapshot
    }

    private let state: Mutex<State>

    package init(builtIn: [Deployment] = []) {
        let parts = Parts(builtIn: builtIn)
        state = Mutex(State(parts: parts, snapshot: parts.snapshot(number: 1)))
    }

    package var snapshot: RegistrySnapshot { state.withLock { $0.snapshot } }

    /// - Parameter routings: what the workspaces have set; nil leaves them as they are.
    package func replaceRegistered(
        _ deployments: [Deployment], routings: [WorkspaceID: WorkspaceRouting]? = nil
    ) {
        change { parts in
            parts.registered = deployments
            if let routings { parts.routings = routings }
        }
    }

    /// - Parameters:
    ///   - loading: models whose runtime is not ready, with the reason in words.
    ///   - broken: models whose runtime has given up.
    package func replaceRuntimes(
        _ deployments: [Deployment], loading: [ModelName: String], broken: Set<ModelName> = []
    ) {
        change { parts in
            parts.runtimes = deployments
            parts.loading = loading
            parts.broken = broken
        }
    }

    /// What looks again and again finds the same nearly always: the snapshot stays then, with its number.
    private func change(_ body: (inout Parts) -> Void) {
        state.withLock { state in
            var parts = state.parts
            body(&parts)
            guard parts != state.parts else { return }
            state = State(parts: parts, snapshot: parts.snapshot(number: state.snapshot.number + 1))
        }
    }
}
