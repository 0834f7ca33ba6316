package import Fleet
package import Kernel
import Synchronization

/// Runs the model services of this machine, and starts and stops single ones while it does.
package final class FleetSupervisor: Sendable {
    /// Commands that wait for `run`; more are refused.
    private static let mostCommands = 256

    private let supervisors: [String: ModelSupervisor]
    private let order: [String]
    private let starts: AsyncStream<String>
    private let startCommands: AsyncStream<String>.Continuation
    private let running = Mutex<[String: Session]>([:])

    private struct Session {
        let stop: AsyncStream<Void>.Continuation
        var ended: [AsyncStream<Void>.Continuation] = []
    }

    /// - Parameter onChange: see `ModelSupervisor`.
    package init(
        recipes: [Recipe], tools: ModelSupervisor.Tools,
        onChange: @escaping @Sendable (ModelServiceStatus) -> Void = { _ in }
    ) {
        order = recipes.map(\.name)
        let pairs = recipes.map { ($0.name, ModelSupervisor(recipe: $0, tools: tools, onChange: onChange)) }
        supervisors = Dictionary(pairs) { first, _ in first }
        (starts, startCommands) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.mostCommands))
    }

    /// Of every recipe, started or not, in the order given.
    package var statuses: [ModelServiceStatus] { order.compactMap { supervisors[$0]?.status } }

    package func status(of name: String) -> ModelServiceStatus? { supervisors[name]?.status }

    /// Starts the named services and then those that `start` asks for; until cancelled, and then until every process is
    /// gone. Once in the life of a supervisor.
    package func run(starting names: [String]) async {
        for name in names where supervisors[name] != nil { startCommands.yield(name) }
        await withDiscardingTaskGroup { group in
            for await name in starts {
                guard let supervisor = supervisors[name], let stopped = begin(name) else { continue }
                group.addTask {
                    await self.supervise(supervisor, until: stopped)
                    self.end(name)
                }
            }
            group.cancelAll()
        }
    }

    /// Starts the service, and fetches its model first where that is missing. Does nothing when it runs already; one
    /// that had failed is tried anew. Returns before it is ready: the status says how it goes.
    /// - Throws: `MODEL_NOT_FOUND`, `OVERLOADED`.
    package func start(_ name: String) throws(Problem) {
        _ = try supervisor(name)
        switch startCommands.yield(name) {
        case .enqueued: return
        case .dropped, .terminated: throw Problem(.overloaded)
        @unknown default: throw Problem(.overloaded)
        }
    }

    /// Stops the service and returns when its process is gone. Does nothing when it is not running.
    /// - Throws: `MODEL_NOT_FOUND`.
    package func stop(_ name: String) async throws(Problem) {
        _ = try supervisor(name)
        let (ended, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let wasRunning = running.withLock { running in
            guard var session = running[name] else { return false }
            session.ended.append(continuation)
            session.stop.finish()
            running[name] = session
            return true
        }
        guard wasRunning else { return }
        for await _ in ended {}
    }

    private func supervisor(_ name: String) throws(Problem) -> ModelSupervisor {
        if let supervisor = supervisors[name] { return supervisor }
        throw Problem(
            .modelNotFound, "No recipe is called `\(name)`.", parameter: "name",
            hint: "There are: \(order.joined(separator: ", ")).")
    }

    /// - Returns: a stream that ends when the service is to stop; nil when it runs already.
    private func begin(_ name: String) -> AsyncStream<Void>? {
        let (stopped, stop) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        return running.withLock { running in
            guard running[name] == nil else { return nil }
            running[name] = Session(stop: stop)
            return stopped
        }
    }

    private func end(_ name: String) {
        let session = running.withLock { $0.removeValue(forKey: name) }
        for waiter in session?.ended ?? [] { waiter.finish() }
    }

    private func supervise(_ supervisor: ModelSupervisor, until stopped: AsyncStream<Void>) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await supervisor.run() }
            group.addTask { for await _ in stopped {} }
            await group.next()
            group.cancelAll()
        }
    }
}
