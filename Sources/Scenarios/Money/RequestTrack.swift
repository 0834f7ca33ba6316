import Flows
import Inference
import Kernel

/// What became of one request of the plan, as whoever sends it and the upstream see it.
// SAFETY: used on the simulation's thread only.
final class RequestTrack: @unchecked Sendable {
    enum State: Equatable {
        case asked
        case admitted
        /// Its ticket has ended.
        case ended
        case refused(ErrorCode)
        /// The client left before it was admitted.
        case left
    }

    let plan: MoneyPlan.Request
    let request: RequestID
    let node: Int
    let life: Int
    /// By the node's wall clock.
    let accepted: Instant
    /// By the database's clock, when it was admitted.
    var admitted: Instant?
    var state = State.asked
    var hold = Hold.none
    /// Memory did not decide it.
    var hasWaited = false
    /// What the upstream really made so far, for this request.
    var produced = Usage.none
    var record: UsageRecord?

    init(_ plan: MoneyPlan.Request, request: RequestID, node: Int, life: Int, accepted: Instant) {
        self.plan = plan
        self.request = request
        self.node = node
        self.life = life
        self.accepted = accepted
    }

    var name: String { "#\(plan.id) (\(request))" }
}
