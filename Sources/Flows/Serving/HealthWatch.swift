package import Inference
package import Kernel
import Synchronization

/// Asks a deployment whether it is well.
package protocol DeploymentProbe: Sendable {
    /// - Returns: false when it cannot be reached, is silent, or says that it is not well.
    func isWell(_ deployment: Deployment) async -> Bool
}

/// Asks the deployments that are no provider's for their health, so that one that died is known before a request finds
/// out, and one that came back is used again. Providers are known by what becomes of requests alone: their addresses
/// answer whatever their models do.
package final class HealthWatch: Sendable {
    /// One answer may be lost to a hiccup.
    private static let failures = 2
    /// Asked at one time.
    private static let width = 16

    private let registry: Registry
    private let board: RoutingBoard
    private let probe: any DeploymentProbe
    private let clock: any Clock
    private let failed = Mutex<[DeploymentID: Int]>([:])

    package init(registry: Registry, board: RoutingBoard, probe: any DeploymentProbe, clock: any Clock) {
        self.registry = registry
        self.board = board
        self.probe = probe
        self.clock = clock
    }

    /// Asks each of them once.
    package func look() async {
        let deployments = registry.snapshot.deployments.filter {
            $0.origin == .registered && $0.provider == nil && $0.terms.isEnabled
        }
        let ids = Set(deployments.map(\.id))
        failed.withLock { failed in failed = failed.filter { ids.contains($0.key) } }
        var rest = deployments[...]
        while !rest.isEmpty, !Task.isCancelled {
            await withTaskGroup(of: Void.self) { group in
                for deployment in rest.prefix(Self.width) { group.addTask { await self.ask(deployment) } }
            }
            rest = rest.dropFirst(Self.width)
        }
    }

    private func ask(_ deployment: Deployment) async {
        let isWell = await probe.isWell(deployment)
        // A question that was broken off is no answer.
        guard !Task.isCancelled else { return }
        let inRow = failed.withLock { failed in
            let inRow = isWell ? 0 : failed[deployment.id, default: 0] + 1
            failed[deployment.id] = inRow
            return inRow
        }
        guard isWell || inRow >= Self.failures else { return }
        board.states(of: [deployment]).first?.probed(isGood: isWell, at: clock.now)
    }
}
