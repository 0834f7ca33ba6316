import Database
import Foundation
import Inference
import Kernel
import Logging
import PostgresEngine
import SQLiteEngine
import Stores
import Synchronization
import Tenancy
import TestKit
import Testing

/// Everything that implements the store ports. Each contract runs on each of them that is there.
enum StoreAdapter: String, Sendable, CustomTestStringConvertible {
    case memory, sqlite, postgres15, postgres18

    /// A server that the environment does not name is left out; `ServerPresence` says so.
    static var allCases: [StoreAdapter] {
        [.memory, .sqlite] + [.postgres15, .postgres18].filter { $0.url != nil }
    }

    var testDescription: String { rawValue }

    /// A running server; `dev/postgres.sh` starts one.
    private var url: String? {
        let version = rawValue.replacingOccurrences(of: "postgres", with: "")
        return ProcessInfo.processInfo.environment["VOLERY_TEST_POSTGRES_" + version]
    }

    /// Those that are databases.
    static var databases: [StoreAdapter] { allCases.filter { $0 != .memory } }

    /// Those with a second wall.
    static var walled: [StoreAdapter] { databases.filter { $0 != .sqlite } }

    /// - Parameters:
    ///   - migrations: of an older release.
    ///   - before: done on what those leave, before the others come; not in memory.
    func open(
        after migrations: Int = 2, before: (@Sendable (any Database) async throws -> Void)? = nil
    ) async throws -> StoreWorld {
        let samples = Samples()
        switch self {
        case .memory:
            return StoreWorld(samples)
        case .sqlite:
            let folder = try TemporaryFolder()
            let path = folder.path("volery.db")
            return try await StoreWorld(samples, owner: folder, after: migrations, before: before) {
                try SQLiteDatabase.open(path: path, clock: samples.clock, logger: Logger(label: "test"))
            }
        case .postgres15, .postgres18:
            let schema = try await PostgresSchema(on: try #require(url))
            return try await StoreWorld(samples, owner: schema, after: migrations, before: before) {
                try await schema.open(clock: samples.clock)
            }
        }
    }
}

/// A schema of one test's own, dropped when the test lets go of it.
private final class PostgresSchema: Sendable {
    private let admin: PostgresDatabase
    private let server: String
    private let opened = Shared<[PostgresDatabase]>([])
    private let name = "volery_test_\(SystemRandom().next())"
    private let turn: Turn

    init(on server: String) async throws {
        self.server = server
        turn = await turns.take(server)
        admin = try await Self.open(server, clock: SystemClock())
        try await admin.execute(.schema, "CREATE SCHEMA \(name)", [])
    }

    /// `tx.now` is the test's clock, as on the other engines.
    func open(clock: any Clock) async throws -> PostgresDatabase {
        let database = try await Self.open(server + "?options=-csearch_path%3D" + name, clock: clock)
        opened.update { $0.append(database) }
        return database
    }

    private static func open(_ url: String, clock: any Clock) async throws -> PostgresDatabase {
        var limits = PostgresDatabase.Limits()
        limits.patience = .seconds(90)
        limits.lockWait = .seconds(60)
        limits.statement = .seconds(60)
        limits.retrying = .seconds(90)
        limits.attempts = 1000
        return try await PostgresDatabase.open(
            PostgresLocation(Secret(url)), clock: TimeOfRows(rows: clock), random: SystemRandom(), time: .clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, limits: limits)
    }

    deinit {
        let (admin, opened, name, turn) = (admin, opened.value, name, turn)
        Task {
            for database in opened { await database.close() }
            _ = try? await admin.execute(.schema, "DROP SCHEMA \(name) CASCADE", [])
            await admin.close()
            turn.end()
        }
    }
}

/// So many tests at once have a schema of their own on one server: it has only so many connections.
private let turns = Turns(atOnce: 16)

private final class Turns: Sendable {
    private struct Line {
        var taken = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let atOnce: Int
    private let lines = Mutex<[String: Line]>([:])

    init(atOnce: Int) { self.atOnce = atOnce }

    func take(_ server: String) async -> Turn {
        await withCheckedContinuation { continuation in
            let isFree = lines.withLock { lines in
                guard lines[server, default: Line()].taken < atOnce else {
                    lines[server]?.waiting.append(continuation)
                    return false
                }
                lines[server, default: Line()].taken += 1
                return true
            }
            if isFree { continuation.resume() }
        }
        return Turn { self.end(server) }
    }

    private func end(_ server: String) {
        let next: CheckedContinuation<Void, Never>? = lines.withLock { lines in
            if lines[server]?.waiting.isEmpty == false { return lines[server]?.waiting.removeFirst() }
            lines[server]?.taken -= 1
            return nil
        }
        next?.resume()
    }
}

/// Ends once, also when nobody says so.
private final class Turn: Sendable {
    private let ending: @Sendable () -> Void
    private let isOver = Mutex(false)

    init(_ ending: @escaping @Sendable () -> Void) { self.ending = ending }

    deinit { end() }

    func end() {
        let isFirst = isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
        if isFirst { ending() }
    }
}

func code(_ work: () async throws -> Void) async -> ErrorCode? {
    do {
        try await work()
        return nil
    } catch {
        return (error as? Problem)?.code
    }
}
