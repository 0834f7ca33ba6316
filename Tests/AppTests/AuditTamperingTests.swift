import App
import Database
import Flows
import Foundation
import Kernel
import Tenancy
import TestKit
import Testing

/// Rows of the audit log, changed by somebody who may write to the database and has neither key.
@Suite("an audit log in somebody else's hands")
struct AuditTamperingTests {
    private let samples = Samples()

    private func append(_ count: Int, to chain: TenantID?, _ storage: StorageParts) async throws {
        for index in 0..<count {
            try await storage.audit.append(
                AuditEntry(
                    id: samples.ids.next(), tenant: chain, workspace: samples.ids.next(), at: samples.clock.now,
                    actor: "operator", action: "key.create", subject: "key \(index)", address: IPAddress("10.0.0.1"),
                    request: samples.ids.next(), details: ["name": "n\(index)"]))
        }
    }

    /// What it is called, and the statements that do it to event `k` of a chain of `n`.
    private struct Tampering: Sendable {
        let name: String
        let statements: @Sendable (_ chain: String, _ k: Int64, _ n: Int64) -> [(String, [any SQLRepresentable])]
    }

    private static func column(_ name: String, _ value: any SQLRepresentable & Sendable) -> Tampering {
        Tampering(name: "another \(name)") { chain, k, _ in
            [("UPDATE audit_event SET \(name) = $3 WHERE chain = $1 AND sequence = $2", [chain, k, value])]
        }
    }

    private static let columns = [
        column("actor", "x"), column("action", "x"), column("subject", "x"), column("address", "10.0.0.2"),
        column("address", "nonsense"), column("outcome", "denied"), column("outcome", "nonsense"),
        column("details", #"{"name":"other"}"#), column("details", "nonsense"), column("happened", Int64(5)),
        column("workspace_id", "nonsense"), column("request_id", "nonsense"),
        column("id", "aud_01JZ0000000000000000000000"), column("previous", Blob([1])),
        column("seal", Blob([UInt8](repeating: 7, count: 32))),
    ]

    private static let rows = [
        Tampering(name: "an event less") { chain, k, _ in
            [("DELETE FROM audit_event WHERE chain = $1 AND sequence = $2", [chain, k])]
        },
        Tampering(name: "an event less, the later ones moved up") { chain, k, n in
            [("DELETE FROM audit_event WHERE chain = $1 AND sequence = $2", [chain, k])]
                + ((k + 1)...n).map {
                    ("UPDATE audit_event SET sequence = $2 - 1 WHERE chain = $1 AND sequence = $2", [chain, $0])
                }
        },
        Tampering(name: "a tail less, and the head to it") { chain, k, _ in
            [
                ("DELETE FROM audit_event WHERE chain = $1 AND sequence > $2", [chain, k]),
                (
                    """
                    UPDATE audit_head SET sequence = $2,
                        seal = (SELECT seal FROM audit_event WHERE chain = $1 AND sequence = $2) WHERE chain = $1
                    """, [chain, k]
                ),
            ]
        },
        Tampering(name: "the last event less") { chain, _, n in
            [("DELETE FROM audit_event WHERE chain = $1 AND sequence = $2", [chain, n])]
        },
        Tampering(name: "two events exchanged") { chain, k, _ in
            [(k, -1), (k + 1, k), (-1, k + 1)].map { old, new in
                ("UPDATE audit_event SET sequence = $3 WHERE chain = $1 AND sequence = $2", [chain, old, new])
            }
        },
        Tampering(name: "a chain less") { chain, _, _ in
            [
                ("DELETE FROM audit_event WHERE chain = $1", [chain]),
                ("DELETE FROM audit_head WHERE chain = $1", [chain]),
            ]
        },
        Tampering(name: "a copy of an event at the end") { chain, k, n in
            [
                (
                    """
                    INSERT INTO audit_event (chain, sequence, id, workspace_id, happened, actor, action, subject,
                        address, request_id, outcome, details, previous, seal)
                    SELECT chain, $3, 'aud_01JZ0000000000000000000001', workspace_id, happened, actor, action, subject,
                        address, request_id, outcome, details, previous, seal
                    FROM audit_event WHERE chain = $1 AND sequence = $2
                    """, [chain, k, n + 1]
                )
            ]
        },
        Tampering(name: "a head that names another seal") { chain, _, _ in
            [("UPDATE audit_head SET seal = $2 WHERE chain = $1", [chain, Blob([UInt8](repeating: 9, count: 32))])]
        },
    ]

    @Test("is found out, whatever is done to its rows", arguments: StorageEngine.allCases)
    func tampering(engine: StorageEngine) async throws {
        let random = SeededRandom(seed: 42)
        try await engine.withInstallation { installation in
            try await installation.using { storage in
                let intact: TenantID = samples.ids.next()
                try await append(5, to: intact, storage)
                for tampering in Self.columns + Self.rows {
                    let chain: TenantID = samples.ids.next()
                    let count = 4 + Int(random.next(below: 8))
                    try await append(count, to: chain, storage)
                    try await storage.anchoring.anchor()
                    #expect(try await storage.verification.verify(of: chain).ok)
                    let place = 2 + Int64(random.next(below: UInt64(count - 2)))
                    let statements = tampering.statements("\(chain)", place, Int64(count))
                    try await installation.asIntruder { database in
                        for (sql, values) in statements { _ = try await database.execute(.schema, sql, values) }
                    }
                    let verdict = try await storage.verification.verify(of: chain)
                    #expect(!verdict.ok, "\(tampering.name) at \(place) of \(count)")
                    #expect(verdict.faults.allSatisfy { $0.tenant == chain })
                }
                #expect(try await storage.verification.verify(of: intact).ok)
                #expect(try await storage.verification.verify(of: nil).ok)
                #expect(try await !storage.verification.verifyAll().ok)
            }
        }
    }

    @Test(
        "is found out when a cut chain goes on, also by the anchor, which does not move",
        arguments: StorageEngine.allCases)
    func fork(engine: StorageEngine) async throws {
        try await engine.withInstallation { installation in
            let chain: TenantID = samples.ids.next()
            try await installation.using { storage in
                try await append(10, to: chain, storage)
                try await storage.anchoring.anchor()
                let cut = Self.rows[2].statements("\(chain)", 6, 10)
                try await installation.asIntruder { database in
                    for (sql, values) in cut { _ = try await database.execute(.schema, sql, values) }
                }
                try await append(7, to: chain, storage)
                try await storage.anchoring.anchor(all: true)
                let verdict = try await storage.verification.verify(of: chain)
                #expect(verdict.faults.map(\.kind) == ["replaced"])
                #expect(verdict.chains == [AuditVerdict.Chain(tenant: chain, events: 13, anchored: 10)])
            }
            // The next start neither.
            try await installation.using { storage in
                let verdict = try await storage.verification.verifyAll()
                #expect(verdict.faults.map(\.kind) == ["replaced"])
            }
        }
    }

    @Test("with the file of anchors gone as well, that is what is told, from then on")
    func anchorsGone() async throws {
        let installation = try Installation()
        try await installation.using { storage in try await append(10, to: nil, storage) }
        try FileManager.default.removeItem(atPath: installation.folder.auditAnchorsFile)
        let cut = Self.rows[2].statements("platform", 6, 10)
        try await installation.asIntruder { database in
            for (sql, values) in cut { _ = try await database.execute(.schema, sql, values) }
        }
        for _ in 0..<2 {
            try await installation.using { storage in
                let verdict = try await storage.verification.verifyAll()
                #expect(verdict.faults.map(\.kind) == ["unanchored"])
            }
        }
        // An operator who looked into it says so.
        for file in [installation.folder.auditAnchorsFile, installation.folder.databaseFile] {
            try FileManager.default.removeItem(atPath: file)
        }
        try await installation.using { storage in
            try await storage.anchoring.anchor()
            #expect(try await storage.verification.verifyAll().ok)
        }
    }

    @Test("a data folder that moves to another database on purpose begins new anchors, and keeps the old ones aside")
    func moved() async throws {
        let (first, second) = (try Installation(), try Installation())
        for installation in [first, second] {
            try await installation.using(["VOLERY_MASTER_KEY": Installation.key1]) { storage in
                try await append(3, to: nil, storage)
            }
        }
        try FileManager.default.removeItem(atPath: second.folder.databaseFile)
        let environment = [
            "VOLERY_MASTER_KEY": Installation.key1, "VOLERY_DATABASE": "sqlite://\(first.folder.path)/volery.db",
        ]
        try await second.using(environment) { storage in
            try await storage.anchoring.anchor()
            let verdict = try await storage.verification.verifyAll()
            #expect(verdict.ok)
            #expect(verdict.chains.map(\.anchored) == [3])
        }
        #expect(second.exists(second.folder.auditAnchorsFile + ".previous"))
    }

    @Test("a head that names no chain keeps nobody from verifying the others", arguments: StorageEngine.allCases)
    func nonsenseHead(engine: StorageEngine) async throws {
        try await engine.withInstallation { installation in
            try await installation.using { storage in
                try await append(3, to: nil, storage)
                try await installation.asIntruder { database in
                    _ = try await database.execute(
                        .schema, "INSERT INTO audit_head (chain, sequence, seal, changed) VALUES ($1, $2, $3, $4)",
                        ["nonsense", Int64(1), Blob([1]), Int64.max])
                }
                try await storage.anchoring.anchor(all: true)
                let verdict = try await storage.verification.verifyAll()
                #expect(verdict.ok)
                #expect(verdict.chains.map(\.events) == [3])
            }
        }
    }

    @Test("the audit key is of no use to whoever has the database", arguments: StorageEngine.allCases)
    func keyRow(engine: StorageEngine) async throws {
        try await engine.withInstallation { installation in
            try await installation.using { storage in
                try await append(3, to: nil, storage)
                try await storage.anchoring.anchor()
            }
            try await installation.asIntruder { database in
                _ = try await database.execute(.schema, "DELETE FROM secret WHERE name = $1", ["platform/audit-key"])
            }
            try await installation.using { storage in
                let verdict = try await storage.verification.verifyAll()
                #expect(Set(verdict.faults.map(\.kind)).isSuperset(of: ["changed", "unanchored"]))
            }
        }
    }
}

private struct Blob: SQLRepresentable {
    static var sqlName: String { "bytes" }
    let bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }
    init?(sqlValue: SQLValue) { nil }
    var sqlValue: SQLValue { .blob(bytes) }
}
