package import Billing
package import Kernel
import Synchronization

/// Shared limits in memory, by the clock's wall time, with faults on demand.
package final class MemoryRateStore: RateStore {
    package enum Fault: Sendable {
        case none
        /// Nothing arrives.
        case away
        /// Everything takes place, and no answer comes back.
        case silent
    }

    private struct Place {
        var count: Int64
        var expires: Instant
    }

    private struct State {
        var fault = Fault.none
        var calls = 0
        var buckets: [LimitID: SharedBucket] = [:]
        var places: [LimitID: [NodeID: Place]] = [:]
    }

    private let clock: any Clock
    private let gate: Gate
    private let state = Mutex(State())

    /// - Parameter gate: calls wait here before they take place.
    package init(clock: any Clock, gate: Gate = Gate(isOpen: true)) {
        self.clock = clock
        self.gate = gate
    }

    /// How often anything was asked.
    package var calls: Int { state.withLock { $0.calls } }

    package func fail(_ fault: Fault) { state.withLock { $0.fault = fault } }

    /// What nodes whose lease has not ended hold of a limit.
    package func places(of limit: LimitID) -> Int64 {
        let now = clock.now
        return state.withLock { ($0.places[limit] ?? [:]).values.reduce(0) { $0 + ($1.expires > now ? $1.count : 0) } }
    }

    package func bucket(_ limit: LimitID) -> SharedBucket? { state.withLock { $0.buckets[limit] } }

    package func take(_ asks: [RateAsk]) async throws -> [RateGrant] {
        try await call { state, now in
            asks.map { ask in
                let full = SharedBucket(bucket: RateBucket(amount: ask.limit.amount, at: now.microseconds))
                return state.buckets[ask.limit.id, default: full].answer(ask, at: now.microseconds)
            }
        }
    }

    package func slots(
        _ asks: [SlotAsk], for node: NodeID, lasting length: Duration
    ) async throws -> [Int64] {
        try await call { state, now in
            asks.map { ask in
                let others = (state.places[ask.limit.id] ?? [:])
                    .reduce(0) { $0 + ($1.key != node && $1.value.expires > now ? $1.value.count : 0) }
                let count = SharedBucket.places(for: ask, beside: others)
                state.places[ask.limit.id, default: [:]][node] =
                    count > 0 ? Place(count: count, expires: now + length) : nil
                return count
            }
        }
    }

    package func renew(_ node: NodeID, lasting length: Duration) async throws -> [LimitID: Int64] {
        try await call { state, now in
            var counts: [LimitID: Int64] = [:]
            for limit in state.places.keys {
                guard let place = state.places[limit]?[node], place.expires > now else { continue }
                state.places[limit]?[node]?.expires = now + length
                counts[limit] = place.count
            }
            return counts
        }
    }

    package func release(_ node: NodeID) async throws {
        try await call { state, _ in
            for limit in state.places.keys { state.places[limit]?[node] = nil }
        }
    }

    package func prune(limit: Int) async throws {
        try await call { state, now in
            for (id, bucket) in state.buckets where now.microseconds - bucket.bucket.changed > 180_000_000 {
                state.buckets[id] = nil
            }
        }
    }

    private func call<Answer: Sendable>(
        _ body: @Sendable (inout State, Instant) -> sending Answer
    ) async throws -> Answer {
        await gate.pass()
        try Task.checkCancellation()
        let now = clock.now
        let (answer, fault): (Answer?, Fault) = state.withLock { state in
            state.calls += 1
            return (state.fault == .away ? nil : body(&state, now), state.fault)
        }
        guard let answer, fault == .none else { throw Problem(.storageUnavailable, retryAfter: 1) }
        return answer
    }
}
