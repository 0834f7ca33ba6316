import Billing
import Database
import Kernel
import Synchronization

/// Lets callers who post at the same time share transactions, since a hot account is locked for as long as one takes to
/// become durable. Nobody waits for company: who finds nobody at work posts at once, and those who come meanwhile go
/// together afterwards.
///
/// One of the callers does the work for all of his batch. When he is cancelled in the middle nothing has taken place,
/// and the next one does it again; the others do not notice.
final class PostingQueue: Sendable {
    /// Groups that share one transaction, and that may wait.
    static let batchLimit = 500
    static let capacity = 20_000
    private static let races = 16

    typealias Posting = @Sendable ([TransferGroup]) async throws -> [PostingOutcome]

    private typealias Continuation = CheckedContinuation<Turn, any Error>

    private enum Turn: Sendable {
        /// To do the work for everybody who waits now.
        case lead
        case over([PostingOutcome])
    }

    private final class Caller: Sendable {
        let groups: [TransferGroup]
        /// Nil before the caller waits, and once it is being resumed. Locked within the queue's lock, or alone.
        private let continuation = Mutex<Continuation?>(nil)

        init(_ groups: [TransferGroup]) { self.groups = groups }

        func wait(_ continuation: Continuation) { self.continuation.withLock { $0 = continuation } }

        /// Whoever has it resumes the caller, and nobody else does.
        func taken() -> Continuation? {
            continuation.withLock { held in
                defer { held = nil }
                return held
            }
        }

        func answer(_ result: Result<[PostingOutcome], any Error>) { taken()?.resume(with: result.map(Turn.over)) }
    }

    private struct State {
        var waiting: [Caller] = []
        var groups = 0
        var isLed = false
    }

    private let state = Mutex(State())
    private let posting: Posting

    /// - Parameter posting: posts groups in one transaction. A `CancellationError` of it means that nothing took place.
    init(_ posting: @escaping Posting) { self.posting = posting }

    /// Callers whose work has not begun.
    var waiting: Int { state.withLock { $0.waiting.count } }

    func post(_ groups: [TransferGroup]) async throws -> [PostingOutcome] {
        var outcomes: [PostingOutcome] = []
        var rest = groups[...]
        while !rest.isEmpty {
            outcomes += try await share(Array(rest.prefix(Self.batchLimit)))
            rest = rest.dropFirst(Self.batchLimit)
        }
        return outcomes
    }

    private func share(_ groups: [TransferGroup]) async throws -> [PostingOutcome] {
        let caller = Caller(groups)
        let turn = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                caller.wait(continuation)
                enter(caller)
            }
        } onCancel: {
            leave(caller)
        }
        switch turn {
        case .over(let outcomes): return outcomes
        case .lead: return try await lead(caller)
        }
    }

    private func enter(_ caller: Caller) {
        let (leader, isFull): (Continuation?, Bool) = state.withLock { state in
            guard state.groups + caller.groups.count <= Self.capacity else { return (nil, true) }
            state.waiting.append(caller)
            state.groups += caller.groups.count
            guard !state.isLed else { return (nil, false) }
            state.isLed = true
            return (caller.taken(), false)
        }
        if isFull { return caller.answer(.failure(DatabaseFailure.overloaded)) }
        leader?.resume(returning: .lead)
        // Cancelled before it waited: the handler found nobody to let go.
        if leader == nil, Task.isCancelled { leave(caller) }
    }

    /// Who still waits goes; whose work has begun, or who was told to lead, stays for its end.
    private func leave(_ caller: Caller) {
        let gone: Continuation? = state.withLock { state in
            guard let index = state.waiting.firstIndex(where: { $0 === caller }), let gone = caller.taken() else {
                return nil
            }
            state.waiting.remove(at: index)
            state.groups -= caller.groups.count
            return gone
        }
        gone?.resume(throwing: CancellationError())
    }

    /// Does one batch, with the leader's own groups in it, and names the next leader.
    private func lead(_ leader: Caller) async throws -> [PostingOutcome] {
        let batch = take(leader)
        do {
            let outcomes = try await postTogether(batch)
            for (caller, outcome) in zip(batch, outcomes) where caller !== leader { caller.answer(outcome) }
            handOver()
            guard let own = zip(batch, outcomes).first(where: { $0.0 === leader })?.1 else {
                throw DatabaseFailure.statement("a leader without a batch")
            }
            return try own.get()
        } catch is CancellationError {
            putBack(batch.filter { $0 !== leader })
            handOver()
            throw CancellationError()
        }
    }

    private func take(_ leader: Caller) -> [Caller] {
        state.withLock { state in
            state.waiting.removeAll { $0 === leader }
            var batch = [leader]
            var count = leader.groups.count
            while let next = state.waiting.first, count + next.groups.count <= Self.batchLimit {
                count += next.groups.count
                batch.append(state.waiting.removeFirst())
            }
            return batch
        }
    }

    private func putBack(_ callers: [Caller]) {
        state.withLock { $0.waiting.insert(contentsOf: callers, at: 0) }
    }

    private func handOver() {
        let next: Continuation? = state.withLock { state in
            state.groups = state.waiting.reduce(0) { $0 + $1.groups.count }
            state.isLed = !state.waiting.isEmpty
            return state.waiting.first?.taken()
        }
        next?.resume(returning: .lead)
    }

    private func postTogether(_ batch: [Caller]) async throws -> [Result<[PostingOutcome], any Error>] {
        do {
            var rest = try await postOnce(batch.flatMap(\.groups))[...]
            return batch.map { caller in
                defer { rest = rest.dropFirst(caller.groups.count) }
                return .success(Array(rest.prefix(caller.groups.count)))
            }
        } catch let failure as DatabaseFailure where failure.isOfOne && batch.count > 1 {
            var results: [Result<[PostingOutcome], any Error>] = []
            for caller in batch { results += try await postTogether([caller]) }
            return results
        } catch let cancellation as CancellationError {
            throw cancellation
        } catch {
            return batch.map { _ in .failure(error) }
        }
    }

    private func postOnce(_ groups: [TransferGroup]) async throws -> [PostingOutcome] {
        for _ in 1..<Self.races {
            do {
                return try await posting(groups)
            } catch is PostingRaced {}
        }
        do {
            return try await posting(groups)
        } catch is PostingRaced {
            throw DatabaseFailure.unavailable("identifiers are written by somebody else all the time")
        }
    }
}

extension DatabaseFailure {
    /// Whether another batch, without the one that is to blame, may go through.
    fileprivate var isOfOne: Bool {
        switch self {
        case .constraint, .corrupt, .statement: true
        case .overloaded, .unavailable, .full, .commitUnknown, .closed: false
        }
    }
}
