import Flows
import Metrics
import Synchronization

/// What all keyed requests of the gateway share.
final class IdempotencyGate: Sendable {
    let flow: IdempotencyFlow
    let longestAnswer: Int
    private let most: Int
    private let held = Atomic<Int>(0)
    private let replays = Counter(label: "volery_idempotent_replays_total")
    private let unkept = Counter(label: "volery_idempotent_unkept_total")

    init(flow: IdempotencyFlow, limits: GatewayLimits) {
        self.flow = flow
        longestAnswer = limits.longestKeptAnswer
        most = limits.maximumKeptHeld
    }

    var bytesHeld: Int { held.load(ordering: .relaxed) }

    func didReplay() { replays.increment() }

    func didNotKeep() { unkept.increment() }

    /// Takes room for bytes of answers; every success is paired with a `release` of as many.
    func reserve(_ count: Int) -> Bool {
        guard held.wrappingAdd(count, ordering: .relaxed).newValue <= most else {
            release(count)
            return false
        }
        return true
    }

    func release(_ count: Int) { held.wrappingSubtract(count, ordering: .relaxed) }
}
