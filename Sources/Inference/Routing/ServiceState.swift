import Kernel
import Synchronization

/// What a model's deployments have together on this node: who waits for a place, how many calls may be made again, who
/// of them does far worse than the others.
package final class ServiceState: Sendable {
    /// Called once, on any thread, when there may be a place.
    package typealias Waiter = @Sendable (_ turn: Turn) -> Void
    package typealias Ticket = WaitingLine<Waiter>.Ticket

    package enum Turn: Sendable, Hashable {
        case mayEnter
        /// Somebody of a higher priority came.
        case gaveWay
    }

    private struct State {
        var line: WaitingLine<Waiter>
        var budget: RetryBudget
        var judged: Duration
    }

    private static let judgeEvery = Duration.seconds(1)

    private let state: Mutex<State>
    private let rule: OutlierRule
    /// Read for every request, so not under the lock.
    private let length = Atomic<Int>(0)

    /// - Parameter line: how many may wait.
    package init(
        line: Int = 256, budget: RetryBudget.Settings = RetryBudget.Settings(), outliers: OutlierRule = OutlierRule(),
        at uptime: Duration
    ) {
        rule = outliers
        state = Mutex(
            State(
                line: WaitingLine(most: line), budget: RetryBudget(settings: budget, at: uptime), judged: uptime))
    }

    package var waiting: Int { length.load(ordering: .relaxed) }

    /// Whether a newcomer has to wait behind others.
    package func isAhead(of priority: RequestPriority) -> Bool {
        waiting > 0 && state.withLock { $0.line.isAhead(of: priority) }
    }

    /// - Returns: nil where there is no room to wait.
    package func join(_ priority: RequestPriority, _ waiter: @escaping Waiter) -> Ticket? {
        var out: Waiter?
        let ticket: Ticket? = state.withLock { state in
            defer { length.store(state.line.count, ordering: .relaxed) }
            switch state.line.join(waiter, priority) {
            case .waiting(let ticket): return ticket
            case .instead(let ticket, of: let other):
                out = other
                return ticket
            case .full: return nil
            }
        }
        out?(.gaveWay)
        return ticket
    }

    /// For one who was told and found no place: before all who came later.
    package func rejoin(_ ticket: Ticket, _ waiter: @escaping Waiter) {
        state.withLock { state in
            state.line.rejoin(waiter, as: ticket)
            length.store(state.line.count, ordering: .relaxed)
        }
    }

    package func leave(_ ticket: Ticket) {
        state.withLock { state in
            state.line.leave(ticket)
            length.store(state.line.count, ordering: .relaxed)
        }
    }

    /// A place became free: tells who is next.
    package func wakeNext() {
        guard waiting > 0 else { return }
        let waiter = state.withLock { state in
            defer { length.store(state.line.count, ordering: .relaxed) }
            return state.line.next()
        }
        waiter?(.mayEnter)
    }

    // MARK: Retries

    package func didBegin(at uptime: Duration) { state.withLock { $0.budget.request(at: uptime) } }

    package func mayRetry(at uptime: Duration) -> Bool { state.withLock { $0.budget.retry(at: uptime) } }

    // MARK: Outliers

    /// Looks once a second, by whoever comes by, at who fails far more than the others.
    package func judge(_ deployments: [DeploymentState], at uptime: Duration) {
        guard deployments.count > 1 else { return }
        let isDue = state.withLock { state in
            guard uptime - state.judged >= Self.judgeEvery else { return false }
            state.judged = uptime
            return true
        }
        guard isDue else { return }
        let out = deployments.map { $0.isEjected(at: uptime) }
        let ejected = rule.ejections(deployments.map { $0.outliers(at: uptime) }, out: out)
        for place in deployments.indices {
            if ejected.contains(place) {
                deployments[place].eject(for: rule.pause, at: uptime)
            } else {
                deployments[place].doesWell(at: uptime)
            }
        }
    }
}
