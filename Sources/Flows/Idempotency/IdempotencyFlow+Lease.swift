import Kernel
import Logging
import Tenancy

/// The lease's life: renewed while the work runs, then ended with its answer or given up.
extension IdempotencyFlow {
    func carryOut<Value: Sendable>(
        _ lease: IdempotencyLease, _ work: @escaping @Sendable () async throws -> IdempotencyOutcome<Value>
    ) async throws -> IdempotencyResult<Value> {
        switch await whileRenewing(lease, work) {
        case .failure(let error):
            await giveUp(lease)
            throw error
        case .success(.dropped(let value)):
            await giveUp(lease)
            return .carriedOut(value, .dropped)
        case .success(.kept(let value, let answer)):
            let keeping = await keep(answer, under: lease)
            didEnd()
            return .carriedOut(value, keeping)
        }
    }

    private enum Event<Value: Sendable>: Sendable {
        case ended(Result<IdempotencyOutcome<Value>, any Error>)
        case stoppedRenewing
    }

    private func whileRenewing<Value: Sendable>(
        _ lease: IdempotencyLease, _ work: @escaping @Sendable () async throws -> IdempotencyOutcome<Value>
    ) async -> Result<IdempotencyOutcome<Value>, any Error> {
        await withTaskGroup(of: Event<Value>.self) { group in
            group.addTask {
                do {
                    return .ended(.success(try await work()))
                } catch {
                    return .ended(.failure(error))
                }
            }
            group.addTask {
                await renewUntilLost(lease)
                return .stoppedRenewing
            }
            var isLost = false
            for await event in group {
                // Whichever comes first ends the other one.
                group.cancelAll()
                switch event {
                case .stoppedRenewing: isLost = !Task.isCancelled
                case .ended(.failure(is CancellationError)) where isLost: return .failure(Problem.twinTookOver)
                case .ended(let result): return result
                }
            }
            return .failure(CancellationError())
        }
    }

    /// Returns when a twin has the lease, or when cancelled.
    private func renewUntilLost(_ lease: IdempotencyLease) async {
        let third = limits.lease / 3
        var pause = third
        while (try? await clock.sleep(for: pause)) != nil {
            do {
                guard try await store.renew(lease, for: limits.lease) != nil else { break }
                pause = third
            } catch {
                // The work goes on: whether it was in vain is known when the store answers again.
                if pause == third, !Task.isCancelled {
                    logger.warning(
                        "the lease of a keyed request cannot be renewed now", metadata: ["error": "\(error)"])
                }
                pause = min(third, .seconds(1))
            }
        }
        if !Task.isCancelled {
            logger.warning(
                "a keyed request lost its lease, and is carried out by another one",
                metadata: ["route": "\(lease.key.route)", "epoch": "\(lease.epoch)"])
        }
    }

    private func keep(_ answer: StoredAnswer, under lease: IdempotencyLease) async -> IdempotencyKeeping {
        let end = clock.uptime + limits.keeping
        var pause = limits.shortestPause
        while true {
            do {
                return try await store.complete(lease, with: answer) ? .kept : .lost
            } catch {
                guard clock.uptime + pause <= end, (try? await clock.sleep(for: pause)) != nil else {
                    logger.error(
                        "the answer of a keyed request could not be kept: a retry may be carried out again",
                        metadata: ["route": "\(lease.key.route)", "error": "\(error)"])
                    return .unconfirmed
                }
                pause = min(pause * 2, limits.longestPause)
            }
        }
    }

    private func giveUp(_ lease: IdempotencyLease) async {
        do {
            try await store.release(lease)
        } catch {
            // It runs out by itself.
            logger.notice("the lease of a keyed request could not be given up", metadata: ["error": "\(error)"])
        }
        didEnd()
    }
}
