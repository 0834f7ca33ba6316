import Database
import Kernel
import TestKit

/// The database as a node sees it: somewhere else. Calls and answers take their time, get lost, and come too late; what
/// was sent may be carried out when its sender is long gone.
// SAFETY: used on the simulation's thread only.
final class RemoteDatabase: Database, @unchecked Sendable {
    /// After which nobody waits for an answer any more.
    private static let patience = Duration.milliseconds(800)
    /// What was sent may arrive so much later.
    static let latest = Duration.milliseconds(6500)

    private unowned let world: MoneyWorld
    private let server: DatabaseServer
    private let process: SimulatedProcess
    /// Which node; nil for an operator, whose way has no faults.
    private let node: Int?
    private let random: SeededRandom
    private let bug: MoneyBug?

    init(world: MoneyWorld, process: SimulatedProcess, node: Int?, bug: MoneyBug? = nil) {
        self.world = world
        self.process = process
        self.node = node
        self.bug = bug
        server = world.server
        random = process.simulation.streams.stream("way to the database " + process.name)
    }

    var dialect: Dialect { .sqlite }

    func read<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        let bug = bug
        return try await call(isWrite: false) { database in
            try await database.read(scope) { tx in try body(bug?.tx(tx) ?? tx) }
        }
    }

    @discardableResult
    func write<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        let (bug, watch) = (bug, world.watch)
        return try await call(isWrite: true) { database in
            try await database.write(scope) { tx in
                let value = try body(bug?.tx(tx) ?? tx)
                try watch.look(tx)
                return value
            }
        }
    }

    @discardableResult
    func execute(_ scope: Scope, _ sql: String, _ arguments: [any SQLRepresentable]) async throws -> [Row] {
        try await write(scope) { tx in try tx.rows(sql, arguments) }
    }

    // MARK: The way

    private func call<T: Sendable>(
        isWrite: Bool, _ work: @escaping @Sendable (any Database) async throws -> T
    ) async throws -> T {
        let fault = node.flatMap { world.fault(of: $0) }
        var delay = Duration.microseconds(random.integer(in: 50...1500))
        switch fault {
        case .away:
            try await process.clock.sleep(for: .milliseconds(random.integer(in: 0...200)))
            note(.away)
            throw DatabaseFailure.unavailable("simulated")
        case .slow:
            note(.slow)
            delay = .milliseconds(random.integer(in: 10...400))
        case .unknownUndone where isWrite && random.hits(in: 2):
            note(.unknownUndone)
            try await process.clock.sleep(for: delay)
            throw DatabaseFailure.commitUnknown("simulated")
        case .unknownDone where isWrite && random.hits(in: 2):
            note(.unknownDone)
            return try await send(after: delay, answers: false, isWrite: isWrite, work)
        case .late where isWrite && random.hits(in: 2):
            note(.late)
            return try await send(
                after: .milliseconds(random.integer(in: 100...6000)), answers: false, isWrite: isWrite, work)
        case .unknownUndone, .unknownDone, .late, nil: break
        }
        return try await send(after: delay, answers: true, isWrite: isWrite, work)
    }

    private func note(_ fault: MoneyPlan.Fault.Kind) { if process.isAlive { world.noteFault(fault) } }

    private func send<T: Sendable>(
        after delay: Duration, answers: Bool, isWrite: Bool,
        _ work: @escaping @Sendable (any Database) async throws -> T
    ) async throws -> T {
        let letter = Letter<T>()
        // Drawn now: whatever becomes of the call, the next one draws the same.
        let back = Duration.microseconds(random.integer(in: 50...1500))
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard letter.wait(continuation), process.isAlive else {
                    return letter.answer(.failure(CancellationError()))
                }
                post(letter, after: delay, answersAfter: answers ? back : nil, isWrite: isWrite, work)
            }
        } onCancel: {
            letter.answer(.failure(CancellationError()))
        }
    }

    private func post<T: Sendable>(
        _ letter: Letter<T>, after delay: Duration, answersAfter back: Duration?, isWrite: Bool,
        _ work: @escaping @Sendable (any Database) async throws -> T
    ) {
        let (simulation, between, server) = (process.simulation, world.outside, server)
        simulation.after(delay, of: between) {
            server.execute(work) { result in
                guard let back else { return }
                simulation.after(back, of: between) { letter.answer(result) }
            }
        }
        letter.timer = simulation.after(Self.patience, of: between) {
            letter.answer(
                .failure(isWrite ? DatabaseFailure.commitUnknown("simulated") : .unavailable("simulated")))
        }
    }
}

/// One call that somebody waits for.
// SAFETY: used on the simulation's thread only.
private final class Letter<T: Sendable>: @unchecked Sendable {
    private var continuation: CheckedContinuation<T, any Error>?
    private var isOver = false
    var timer: SimulatedTimer?

    /// - Returns: false when it was cancelled before; `answer` then answers.
    func wait(_ continuation: CheckedContinuation<T, any Error>) -> Bool {
        self.continuation = continuation
        return !isOver
    }

    func answer(_ result: Result<T, any Error>) {
        timer?.cancel()
        timer = nil
        isOver = true
        guard let continuation else { return }
        self.continuation = nil
        continuation.resume(with: result)
    }
}
