import Flows
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct KeyControlTests {
    let house: ControlHarness

    init() async throws { house = try await ControlHarness() }

    @Test("a key carries what its maker asked for")
    func wishes() async throws {
        let made = try await house.flow.createKey(
            NewKey(
                name: "ci", expiresIn: 3600, scopes: ["endpoint=chat", "model=tiny-*"], environment: "staging",
                addresses: ["10.0.0.0/8"])
        ).view
        #expect(made.expires == house.clock.now + .seconds(3600))
        #expect(made.scopes == ["inference:execute", "model:read", "endpoint=chat", "model=tiny-*"])
        #expect(made.environment == .staging)
        #expect(made.addresses == ["10.0.0.0/8"])
        #expect(try await house.flow.key(made.id) == made)
    }

    @Test(
        "a bad wish is refused with its field",
        arguments: [
            (NewKey(name: "k", scopes: ["fly"]), "scopes[0]"),
            (NewKey(name: "k", scopes: ["user:write"]), "scopes[0]"),
            (NewKey(name: "k", environment: "prod"), "environment"),
            (NewKey(name: "k", addresses: ["10.0.0.1/8"]), "addresses[0]"),
            (NewKey(name: "k", expiresIn: 0), "expires_in"),
            (NewKey(name: "k", expires: Instant(microseconds: 1 << 60), expiresIn: 5), "expires_in"),
            (NewKey(name: "k", scopes: Array(repeating: "model:read", count: 101)), "scopes"),
        ])
    func badWishes(request: NewKey, parameter: String) async {
        let problem = await problem { try await house.flow.createKey(request) }
        #expect(problem?.code == .validationError)
        #expect(problem?.parameter == parameter)
    }

    @Test("a key makes no key that can do more, or is limited less, than itself")
    func limits() async throws {
        let made = try await house.flow.createKey(
            NewKey(
                name: "maker", scopes: ["key:write", "inference:execute", "model=tiny-*", "endpoint=chat"],
                addresses: ["10.0.0.0/8"]))
        guard case .accepted(let holder) = try await house.verifier.verify(made.token.reveal()) else {
            Issue.record("the key is refused")
            return
        }
        let maker = ControlFlow(
            caller: Caller(principal: holder.principal, address: IPAddress("10.1.1.1")), parts: house.parts)
        let within = ["inference:execute", "model=tiny-1", "endpoint=chat"]
        let attempts: [(NewKey, String)] = [
            (NewKey(name: "k", scopes: within + ["audit:read"], addresses: ["10.1.0.0/16"]), "scopes"),
            (NewKey(name: "k", scopes: ["inference:execute", "endpoint=chat"], addresses: ["10.0.0.0/8"]), "scopes"),
            (NewKey(name: "k", scopes: ["inference:execute", "model=tiny-1"], addresses: ["10.0.0.0/8"]), "scopes"),
            (NewKey(name: "k", scopes: within), "addresses"),
            (NewKey(name: "k", scopes: within, addresses: ["0.0.0.0/0"]), "addresses"),
            (NewKey(name: "k", scopes: within, environment: "staging", addresses: ["10.0.0.0/8"]), "environment"),
        ]
        for (attempt, parameter) in attempts {
            let problem = await problem { try await maker.createKey(attempt) }
            #expect(problem?.code == .policyDenied)
            #expect(problem?.parameter == parameter)
        }
        let good = NewKey(name: "k", scopes: within, addresses: ["10.1.0.0/16"])
        #expect(try await maker.createKey(good).view.scopes.contains("model=tiny-1"))
    }

    @Test("a key that ends makes and rotates no key that outlives it, and one that does not end makes any")
    func ends() async throws {
        let scopes = ["inference:execute", "model:read", "key:write"]
        let endless = try await house.flow.createKey(NewKey(name: "endless", scopes: scopes))
        let made = try await house.flow.createKey(NewKey(name: "maker", expiresIn: 3600, scopes: scopes))
        let maker = try await house.holder(of: made)
        let attempts: [@Sendable () async throws -> CreatedKey] = [
            { try await maker.createKey(NewKey(name: "k")) },
            { try await maker.createKey(NewKey(name: "k", expiresIn: 3601)) },
            { try await maker.rotateKey(endless.view.id, KeyRotation()) },
        ]
        for attempt in attempts {
            let problem = await problem { try await attempt() }
            #expect(problem?.code == .policyDenied)
            #expect(problem?.parameter == "expires")
        }
        #expect(try await maker.createKey(NewKey(name: "k", expiresIn: 3600)).view.expires == made.view.expires)
        #expect(try await maker.rotateKey(made.view.id, KeyRotation()).view.expires == made.view.expires)
        let free = try await house.holder(of: endless)
        #expect(try await free.createKey(NewKey(name: "k")).view.expires == nil)
    }

    @Test("an act with a key in somebody's name tells of the key")
    func credential() async throws {
        let acme = try await house.house("acme")
        let dave = try await house.person("dave", .developer, in: acme.tenant)
        let made = try await house.flow.createKey(
            NewKey(
                name: "k", workspace: acme.workspace.description, user: "dave",
                scopes: ["inference:execute", "key:write"]))
        let holder = try await house.holder(of: made)
        _ = try await holder.createKey(NewKey(name: "by key", scopes: ["inference:execute"]))
        #expect(await problem { try await holder.listRules(in: acme.tenant) }?.code == .policyDenied)
        _ = try await dave.createKey(NewKey(name: "by dave", workspace: "main", scopes: ["inference:execute"]))
        let events = try await house.directory.events(of: acme.tenant, after: 0, limit: 1000).map(\.entry).suffix(3)
        #expect(events.map(\.action) == ["key.create", "rule.list", "key.create"])
        #expect(Set(events.map(\.actor)).count == 1)
        let credentials = events.map { $0.details["credential"] }
        #expect(credentials.prefix(2) == [made.view.id.description, made.view.id.description])
        #expect(credentials.last??.hasPrefix("ses_") == true)
    }

    @Test("a rotated key and its successor work beside each other until the overlap ends")
    func rotation() async throws {
        let old = try await house.flow.createKey(NewKey(name: "ci", scopes: ["endpoint=chat"]))
        let new = try await house.flow.rotateKey(old.view.id, KeyRotation(overlapSeconds: 600))
        #expect(new.view.scopes == old.view.scopes)
        #expect(new.view.name == "ci")
        let after = try await house.flow.key(old.view.id)
        #expect(after.successor == new.view.id)
        #expect(after.expires == house.clock.now + .seconds(600))
        #expect(try await house.verifier.verify(old.token.reveal()) != .refused)
        #expect(try await house.verifier.verify(new.token.reveal()) != .refused)
        #expect(await problem { try await house.flow.rotateKey(old.view.id, KeyRotation()) }?.code == .conflict)
        house.clock.advance(by: .seconds(601))
        #expect(try await house.verifier.verify(old.token.reveal()) == .refused)
        #expect(try await house.verifier.verify(new.token.reveal()) != .refused)
        let tooLong = KeyRotation(overlapSeconds: 31 * 86_400)
        #expect(await problem { try await house.flow.rotateKey(new.view.id, tooLong) }?.parameter == "overlap_seconds")
    }

    @Test("another tenant's key cannot be seen, rotated or revoked")
    func foreign() async throws {
        let acme = try await house.house("acme")
        let admin = try await house.person("ann", .admin, in: acme.tenant)
        let key = try await house.flow.createKey(NewKey(name: "k")).view.id
        let attempts: [@Sendable () async throws -> Void] = [
            { _ = try await admin.key(key) }, { _ = try await admin.revokeKey(key) },
            { _ = try await admin.rotateKey(key, KeyRotation()) },
            { _ = try await admin.listKeys(in: house.workspace.id, PageRequest()) },
        ]
        for attempt in attempts {
            #expect(await problem { try await attempt() }?.code == .notFound)
        }
        #expect(try await house.flow.key(key).revoked == nil)
    }
}
