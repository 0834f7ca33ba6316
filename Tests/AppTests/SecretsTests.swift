import App
import Cryptography
import Flows
import Foundation
import Kernel
import Tenancy
import TestKit
import Testing

@Suite("where secrets are kept")
struct SecretsTests {
    /// Both adapters of the port, on every engine.
    struct Place: Sendable, CustomTestStringConvertible {
        let engine: StorageEngine
        let store: String
        var testDescription: String { "\(store) with \(engine)" }
        var environment: [String: String] { ["VOLERY_SECRET_STORE": store] }

        static let all = StorageEngine.allCases.flatMap { engine in
            ["file", "database"].map { Place(engine: engine, store: $0) }
        }
    }

    @Test("a secret is read as it was put, until it is replaced or removed", arguments: Place.all)
    func life(place: Place) async throws {
        try await place.engine.withInstallation { installation in
            let clock = installation.clock
            try await installation.using(place.environment) { storage in
                let secrets = storage.secrets
                #expect(try await secrets.secret(named: "provider/a") == nil)
                #expect(try await secrets.list().isEmpty)
                try await secrets.remove(named: "provider/a")
                try await secrets.put(Secret("sk-b"), named: "provider/b", at: clock.now)
                try await secrets.put(Secret("sk-a ünï\n"), named: "provider/a", at: clock.now)
                clock.advance(by: .seconds(60))
                try await secrets.put(Secret("sk-b2"), named: "provider/b", at: clock.now)
            }
            try await installation.using(place.environment) { storage in
                let secrets = storage.secrets
                #expect(try await secrets.secret(named: "provider/a") == Secret("sk-a ünï\n"))
                #expect(try await secrets.secret(named: "provider/b") == Secret("sk-b2"))
                let facts = try await secrets.list()
                #expect(facts.map(\.name) == ["provider/a", "provider/b"])
                #expect(facts.map(\.stored) == [clock.now - .seconds(60), clock.now])
                try await secrets.remove(named: "provider/a")
                #expect(try await secrets.secret(named: "provider/a") == nil)
                #expect(try await secrets.list().map(\.name) == ["provider/b"])
                #expect(try await secrets.reseal() == 0, "nothing is under another key")
            }
            #expect(try installation.files(with: "sk-b2").isEmpty)
        }
    }

    @Test("a name that could be mistaken, or is the platform's own, is refused", arguments: ["file", "database"])
    func names(store: String) async throws {
        try await Installation().using(["VOLERY_SECRET_STORE": store]) { storage in
            for name in ["", "a b", "a\n", String(repeating: "a", count: 201), "ü", "platform/audit-key"] {
                await #expect(throws: Problem.self) {
                    try await storage.secrets.put(Secret("x"), named: name, at: Instant(microseconds: 0))
                }
            }
            let own = try await storage.secrets.secret(named: "platform/audit-key")
            #expect(own == nil)
        }
    }

    @Test("many puts at once are all there afterwards", arguments: Place.all)
    func concurrent(place: Place) async throws {
        try await place.engine.withInstallation { installation in
            try await installation.using(place.environment) { storage in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<20 {
                        group.addTask {
                            try await storage.secrets.put(
                                Secret("value \(index)"), named: "provider/\(index)", at: installation.clock.now)
                        }
                    }
                    try await group.waitForAll()
                }
                for index in 0..<20 {
                    let secret = try await storage.secrets.secret(named: "provider/\(index)")
                    #expect(secret == Secret("value \(index)"))
                }
            }
        }
    }

    @Test(
        "with SQLite secrets are in a file of mode 0600, with PostgreSQL in its rows", arguments: StorageEngine.allCases
    )
    func automatic(engine: StorageEngine) async throws {
        try await engine.withInstallation { installation in
            try await installation.using { storage in
                try await storage.secrets.put(Secret("sk"), named: "provider/a", at: installation.clock.now)
            }
            #expect(installation.exists(installation.folder.sealedSecretsFile) == (engine == .sqlite))
            if engine == .sqlite { #expect(try installation.mode(installation.folder.sealedSecretsFile) == 0o600) }
        }
    }

    @Test("a damaged file of secrets is told, and not taken for an empty one")
    func damaged() async throws {
        let installation = try Installation()
        try await installation.using { storage in
            try await storage.secrets.put(Secret("sk"), named: "provider/a", at: installation.clock.now)
            let file = installation.folder.sealedSecretsFile
            let text = try #require(try DataFolder.read(file))
            try DataFolder.write(String(text.dropLast(30)), to: file)
            await #expect(throws: Problem.self) { try await storage.secrets.list() }
            await #expect(throws: Problem.self) {
                try await storage.secrets.put(Secret("x"), named: "provider/b", at: installation.clock.now)
            }
        }
    }

    @Test("a sealed value in another's place is refused", arguments: ["file"])
    func exchanged(store: String) async throws {
        let installation = try Installation()
        try await installation.using { storage in
            try await storage.secrets.put(Secret("sk-a"), named: "provider/a", at: installation.clock.now)
            try await storage.secrets.put(Secret("sk-b"), named: "provider/b", at: installation.clock.now)
            let file = installation.folder.sealedSecretsFile
            let text = try #require(try DataFolder.read(file))
            let exchanged = text.replacingOccurrences(of: "provider/a", with: "provider/x")
                .replacingOccurrences(of: "provider/b", with: "provider/a")
                .replacingOccurrences(of: "provider/x", with: "provider/b")
            try DataFolder.write(exchanged, to: file)
            await #expect(throws: Problem.self) { try await storage.secrets.secret(named: "provider/a") }
        }
    }
}

@Suite("a change of the master key")
struct SecretsRotationTests {
    private let old = ["VOLERY_MASTER_KEY": Installation.key1]
    private let both = ["VOLERY_MASTER_KEY": Installation.key2, "VOLERY_MASTER_KEY_PREVIOUS": Installation.key1]
    private let new = ["VOLERY_MASTER_KEY": Installation.key2]

    @Test(
        "moves every secret, one-time codes and the audit key; chains hold before and after",
        arguments: SecretsTests.Place.all)
    func rotation(place: SecretsTests.Place) async throws {
        func environment(_ keys: [String: String]) -> [String: String] {
            keys.merging(place.environment) { key, _ in key }
        }
        try await place.engine.withInstallation { installation in
            let now = installation.clock.now
            let user = User(id: ID(ULID(high: 1, low: 1)), kind: .person, name: "ann", created: now)
            try await installation.using(environment(old)) { storage in
                for name in ["a", "b", "c"] {
                    try await storage.secrets.put(Secret("sk-\(name)"), named: "provider/\(name)", at: now)
                }
                try await storage.users.insert(user, audit: Samples.entry)
                let sealed = try storage.platformKeys.ring.seal([1, 2, 3], for: SealPurpose.oneTimeCodes(of: user.id))
                try await storage.users.setSecrets(
                    SignInSecrets(passwordHash: "x", sealedTOTP: sealed), of: user.id, at: now,
                    audit: AuditEntry(
                        id: ID(ULID(high: 8, low: 8)), tenant: nil, at: now, actor: "test", action: "user.password",
                        subject: "\(user.id)"))
                #expect(try await storage.verification.verifyAll().chains.first?.events == 2)
            }
            try await installation.using(environment(both)) { storage in
                #expect(storage.platformKeys.isRotating)
                #expect(try await storage.secrets.secret(named: "provider/a") == Secret("sk-a"))
                #expect(try await storage.verification.verifyAll().ok)
                try await storage.secrets.put(Secret("sk-d"), named: "provider/d", at: now)
            }
            // Before everything was sealed anew, the old key is still needed.
            #expect(try await installation.refusal(environment(new))?.code == .configurationInvalid)
            try await installation.using(environment(both)) { storage in
                let moved = try await storage.secrets.reseal()
                #expect(moved == 4, "three secrets and the codes of one user")
                let left = try await storage.secrets.reseal()
                #expect(left == 0)
            }
            #expect(try await installation.refusal(environment(old))?.code == .configurationInvalid)
            try await installation.using(environment(new)) { storage in
                #expect(!storage.platformKeys.isRotating)
                for name in ["a", "b", "c", "d"] {
                    let secret = try await storage.secrets.secret(named: "provider/\(name)")
                    #expect(secret == Secret("sk-\(name)"))
                }
                #expect(
                    try await storage.secrets.list().allSatisfy { $0.stored == now }, "sealing anew is no new value")
                let sealed = try #require(try await storage.users.secrets(of: user.id)?.sealedTOTP)
                let opened = try storage.platformKeys.ring.open(sealed, for: SealPurpose.oneTimeCodes(of: user.id))
                #expect(opened == [1, 2, 3])
                #expect(try await storage.verification.verifyAll().ok)
            }
        }
    }

    @Test("that was interrupted leaves everything readable, and goes on")
    func interrupted() async throws {
        let installation = try Installation()
        let now = installation.clock.now
        let environment = { (keys: [String: String]) in
            keys.merging(["VOLERY_SECRET_STORE": "database"]) { key, _ in key }
        }
        try await installation.using(environment(old)) { storage in
            for index in 0..<6 {
                try await storage.secrets.put(Secret("sk-\(index)"), named: "provider/\(index)", at: now)
            }
        }
        // The process ended after each number of values.
        for done in 1...6 {
            try await installation.using(environment(both)) { storage in
                try await storage.secrets.put(
                    try #require(try await storage.secrets.secret(named: "provider/\(done - 1)")),
                    named: "provider/\(done - 1)", at: now)
                for index in 0..<6 {
                    let secret = try await storage.secrets.secret(named: "provider/\(index)")
                    #expect(secret == Secret("sk-\(index)"))
                }
            }
            #expect(try await installation.refusal(environment(new)) != nil)
        }
        try await installation.using(environment(both)) { storage in _ = try await storage.secrets.reseal() }
        try await installation.using(environment(new)) { storage in
            let secret = try await storage.secrets.secret(named: "provider/5")
            #expect(secret == Secret("sk-5"))
        }
    }
}
