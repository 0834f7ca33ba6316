import Database
import Kernel
import TestKit

/// A database that is away, slow, or breaks off at COMMIT while the plan says so.
// SAFETY: used on the simulation's thread only.
final class FaultyDatabase: Database, @unchecked Sendable {
    private let inner: any Database
    private let process: SimulatedProcess
    private let faults: () -> UsagePlan.DatabaseFault.Kind?
    private let onFault: (UsagePlan.DatabaseFault.Kind) -> Void
    private let random: SeededRandom

    init(
        _ inner: any Database, process: SimulatedProcess, faults: @escaping () -> UsagePlan.DatabaseFault.Kind?,
        onFault: @escaping (UsagePlan.DatabaseFault.Kind) -> Void
    ) {
        self.inner = inner
        self.process = process
        self.faults = faults
        self.onFault = onFault
        random = process.simulation.streams.stream("database " + process.name)
    }

    var dialect: Dialect { inner.dialect }

    func read<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        switch faults() {
        case .away: try await beAway()
        case .slow: try await beSlow()
        case .unknownDone, .unknownUndone, nil: break
        }
        return try await inner.read(scope, body)
    }

    @discardableResult
    func write<T: Sendable>(
        _ scope: Scope, _ body: @escaping @Sendable (any Tx) throws -> T
    ) async throws -> T {
        switch faults() {
        case .away: try await beAway()
        case .slow: try await beSlow()
        case .unknownDone where random.hits(in: 2):
            try await inner.write(scope, body)
            onFault(.unknownDone)
            process.simulation.note(process.name, "database COMMIT done, and not known")
            throw DatabaseFailure.commitUnknown("simulated")
        case .unknownUndone where random.hits(in: 2):
            onFault(.unknownUndone)
            process.simulation.note(process.name, "database COMMIT not done, and not known")
            throw DatabaseFailure.commitUnknown("simulated")
        case .unknownDone, .unknownUndone, nil: break
        }
        return try await inner.write(scope, body)
    }

    @discardableResult
    func execute(
        _ scope: Scope, _ sql: String, _ arguments: [any SQLRepresentable]
    ) async throws -> [Row] {
        try await write(scope) { tx in try tx.rows(sql, arguments) }
    }

    private func beAway() async throws {
        try await process.clock.sleep(for: .milliseconds(random.integer(in: 0...30)))
        onFault(.away)
        throw DatabaseFailure.unavailable("simulated")
    }

    private func beSlow() async throws {
        try await process.clock.sleep(for: .milliseconds(random.integer(in: 10...400)))
        onFault(.slow)
    }
}
