package import Kernel
import Synchronization

/// Requests that wait for the answer to somebody else's question.
package final class Landings: Sendable {
    private typealias Waiter = CheckedContinuation<Void, any Error>

    private struct State {
        var waiters: [LimitID: [Int: Waiter]] = [:]
        var count = 0
        var nextID = 0
        /// Cancelled before they began to wait.
        var gone: Set<Int> = []

        mutating func remove(_ id: Int, from limit: LimitID) -> Waiter? {
            guard let waiter = waiters[limit]?.removeValue(forKey: id) else { return nil }
            if waiters[limit]?.isEmpty == true { waiters[limit] = nil }
            count -= 1
            return waiter
        }
    }

    private let most: Int
    private let state = Mutex(State())

    /// - Parameter most: so many wait at once; one more is `Problem(.overloaded)`.
    package init(most: Int) { self.most = most }

    /// - Parameter isFlying: looked at once this waits: an answer that came before is not waited for.
    /// - Throws: what the question failed with; `CancellationError`.
    package func wait(for limit: LimitID, while isFlying: @Sendable () -> Bool) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        defer { state.withLock { _ = $0.gone.remove(id) } }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (waiter: Waiter) in add(waiter, id, to: limit, isFlying) }
        } onCancel: {
            let waiter: Waiter? = state.withLock { state in
                let waiter = state.remove(id, from: limit)
                if waiter == nil { state.gone.insert(id) }
                return waiter
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    /// - Parameter failure: nil for an answer, after which everybody looks again.
    package func land(_ limits: [LimitID], _ failure: (any Error)?) {
        let waiters = state.withLock { state in
            var waiters: [Waiter] = []
            for limit in limits {
                guard let landed = state.waiters.removeValue(forKey: limit) else { continue }
                state.count -= landed.count
                waiters += landed.sorted { $0.key < $1.key }.map(\.value)
            }
            return waiters
        }
        for waiter in waiters {
            if let failure { waiter.resume(throwing: failure) } else { waiter.resume() }
        }
    }

    private func add(_ waiter: Waiter, _ id: Int, to limit: LimitID, _ isFlying: () -> Bool) {
        let refusal: (any Error)? = state.withLock { state in
            if state.gone.remove(id) != nil { return CancellationError() }
            guard state.count < most else { return Problem(.overloaded, retryAfter: 1) }
            state.waiters[limit, default: [:]][id] = waiter
            state.count += 1
            return nil
        }
        if let refusal {
            waiter.resume(throwing: refusal)
        } else if !isFlying() {
            state.withLock { $0.remove(id, from: limit) }?.resume()
        }
    }
}
