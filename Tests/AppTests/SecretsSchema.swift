import App
import Database
import Kernel
import Logging
import PostgresEngine
import SQLiteEngine
import TestKit

/// A schema of one test's own.
struct TestSchema: Sendable {
    let url: String
    private let admin: PostgresDatabase
    private let name: String

    init(on server: String) async throws {
        name = "volery_app_test_\(SystemRandom().next())"
        url = server + "?options=-csearch_path%3D" + name
        admin = try await Self.open(server)
        try await admin.execute(.schema, "CREATE SCHEMA \(name)", [])
    }

    func drop() async throws {
        try await admin.execute(.schema, "DROP SCHEMA \(name) CASCADE", [])
        await admin.close()
    }

    static func open(_ url: String) async throws -> PostgresDatabase {
        try await PostgresDatabase.open(
            PostgresLocation(Secret(url)), clock: SystemClock(), random: SystemRandom(), logger: silent)
    }
}

private let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

extension Installation {
    /// The database as whoever has its password or file can reach it, with nothing that still protects its rows.
    func asIntruder<Value: Sendable>(_ body: (any Database) async throws -> Value) async throws -> Value {
        if let server {
            let database = try await TestSchema.open(server)
            do {
                let value = try await body(database)
                await database.close()
                return value
            } catch {
                await database.close()
                throw error
            }
        }
        let database = try SQLiteDatabase.open(
            path: folder.path + "/volery.db", clock: SystemClock(), logger: silent)
        do {
            for trigger in ["audit_event_is_final", "audit_event_is_kept"] {
                try await database.execute(.schema, "DROP TRIGGER IF EXISTS \(trigger)", [])
            }
            let value = try await body(database)
            try await database.close()
            return value
        } catch {
            try await database.close()
            throw error
        }
    }
}
