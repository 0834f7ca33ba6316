import Kernel
import Logging
import Metrics
import ServiceLifecycle

/// What has to be done from time to time, by any node: all of it is harmless when several do it, or nobody for a while.
struct Housekeeping: Service {
    struct Chore: Sendable {
        let name: String
        let interval: Duration
        /// - Returns: whether more is waiting: then it is done again at once, at most `mostRounds` times.
        let work: @Sendable () async throws -> Bool
    }

    private static let mostRounds = 100

    let chores: [Chore]
    let clock: any Kernel.Clock
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                for chore in chores { group.addTask { await keepDoing(chore) } }
            }
        }
    }

    private func keepDoing(_ chore: Chore) async {
        while (try? await clock.sleep(for: chore.interval)) != nil {
            do {
                var rounds = 1
                while try await chore.work(), rounds < Self.mostRounds { rounds += 1 }
            } catch {
                if Task.isCancelled { return }
                Counter(label: "volery_chore_failures_total", dimensions: [("chore", chore.name)]).increment()
                logger.warning(
                    "a chore failed and is tried again later",
                    metadata: ["chore": "\(chore.name)", "error": "\(error)"])
            }
        }
    }
}
