import Synchronization

/// What a wake-up is about: one kind of rows that somebody may have added.
package struct Topic: Hashable, Sendable {
    package let name: String

    /// - Parameter name: lower-case letters and `_`, at most 40.
    package init(_ name: StaticString) {
        self.name = name.description
        precondition(self.name.utf8.count <= 40 && self.name.utf8.allSatisfy { $0 == 0x5F || (0x61...0x7A) ~= $0 })
    }
}

/// Tells whoever waits for rows that there may be new ones, on this node and on others.
///
/// Hints only: one may be lost, late, merged with others, or for nothing. Rows remain the truth, so whoever waits also
/// looks by itself from time to time.
package protocol WakeUps: Sendable {
    /// Wakes everybody who waits on the topic. Returns at once; call it after COMMIT.
    func wake(_ topic: Topic)

    /// One element for one or more wake-ups since the last. Ends when the database is closed.
    func wakeUps(on topic: Topic) -> AsyncStream<Void>
}

/// Wake-ups inside one process.
package final class LocalWakeUps: WakeUps {
    private struct State {
        var waiting: [Topic: [Int: AsyncStream<Void>.Continuation]] = [:]
        var nextID = 0
        var isClosed = false
    }

    private let state = Mutex(State())

    package init() {}

    package func wake(_ topic: Topic) {
        let waiting = state.withLock { state in state.waiting[topic].map { Array($0.values) } ?? [] }
        for continuation in waiting { continuation.yield() }
    }

    package func wakeUps(on topic: Topic) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id: Int? = state.withLock { state in
            guard !state.isClosed else { return nil }
            state.nextID += 1
            state.waiting[topic, default: [:]][state.nextID] = continuation
            return state.nextID
        }
        if let id {
            continuation.onTermination = { [weak self] _ in self?.remove(id, from: topic) }
        } else {
            continuation.finish()
        }
        return stream
    }

    /// The topics that somebody waits on.
    package var topics: Set<Topic> { state.withLock { Set($0.waiting.keys) } }

    /// Wakes everybody, whatever they wait on.
    package func wakeAll() {
        for topic in topics { wake(topic) }
    }

    /// Ends every stream, and those of whoever comes later.
    package func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [:] }
            return state.waiting.values.flatMap(\.values)
        }
        for continuation in waiting { continuation.finish() }
    }

    private func remove(_ id: Int, from topic: Topic) {
        state.withLock { state in
            state.waiting[topic]?[id] = nil
            if state.waiting[topic]?.isEmpty == true { state.waiting[topic] = nil }
        }
    }
}
