package import Inference
import Metrics
import Synchronization

/// Keeps decisions in memory until they are written, in batches. An explanation is worth no request: what finds no room
/// is dropped and counted.
package final class PendingRoutes: RouteLog {
    /// Between two writes.
    package static let interval = Duration.seconds(1)
    /// At most so many wait, and so are written in a second: whoever runs into a wall again and again must not make the
    /// database write as often. Of three hundred bytes each they take 300 KiB, and in no case more than `mostBytes`.
    package static let most = 1000
    package static let mostBytes = 8 << 20
    /// In one transaction.
    private static let batch = 500

    private struct State {
        /// The first is the oldest.
        var waiting: [StoredRoute] = []
        var bytes = 0
    }

    private let store: any RouteStore
    private let state = Mutex(State())
    private let dropped = Counter(label: "volery_routing_decisions_dropped_total")

    package init(store: any RouteStore) { self.store = store }

    package func note(_ route: StoredRoute) {
        let isKept = state.withLock { state in
            guard state.waiting.count < Self.most, state.bytes + route.record.count <= Self.mostBytes else {
                return false
            }
            state.waiting.append(route)
            state.bytes += route.record.count
            return true
        }
        if !isKept { dropped.increment() }
    }

    /// Writes what was noted since the last call. What cannot be written waits for the next one, as long as there is
    /// room.
    /// - Throws: as `RouteStore`; `CancellationError`.
    package func write() async throws {
        var left = state.withLock { state in
            defer { state = State() }
            return state.waiting[...]
        }
        do {
            while !left.isEmpty {
                try await store.insert(Array(left.prefix(Self.batch)))
                left = left.dropFirst(Self.batch)
            }
        } catch {
            putBack(left)
            throw error
        }
    }

    /// Before those that came meanwhile; the newest are dropped when there is no room for all.
    private func putBack(_ routes: ArraySlice<StoredRoute>) {
        let lost = state.withLock { state in
            let meanwhile = state.waiting
            state = State()
            for route in routes + meanwhile {
                guard state.waiting.count < Self.most, state.bytes + route.record.count <= Self.mostBytes else { break }
                state.waiting.append(route)
                state.bytes += route.record.count
            }
            return routes.count + meanwhile.count - state.waiting.count
        }
        if lost > 0 { dropped.increment(by: lost) }
    }
}
