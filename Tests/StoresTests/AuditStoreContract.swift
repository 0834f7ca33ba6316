import Database
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct AuditStoreContract {
    private func expectWhole(_ events: [AuditEvent], _ comment: Comment? = nil) {
        var previous = AuditChain.beginning
        for (index, event) in events.enumerated() {
            #expect(event.sequence == Int64(index) + 1 && event.previous == previous, comment)
            let again = AuditChain.event(
                event.entry, sequence: event.sequence, previous: previous, sealer: PlainSealer())
            #expect(event == again, comment)
            previous = event.seal
        }
    }

    @Test(
        "an event comes back as it was sealed, with everything and with nothing in it", arguments: StoreAdapter.allCases
    )
    func roundTrip(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let full = AuditEntry(
            id: world.samples.ids.next(), tenant: home.tenant, workspace: home.id, at: world.samples.clock.now,
            actor: "usr_x", action: "key.create", subject: "key_x", address: IPAddress("2001:db8::7"),
            request: world.samples.ids.next(), outcome: .failed(.alreadyExists),
            details: ["name": "über \"alles\" / \n\u{0}", "": "", "a": "1"])
        let bare = AuditEntry(
            id: world.samples.ids.next(), tenant: home.tenant, at: Instant(microseconds: -1), actor: "", action: "",
            subject: "", outcome: .denied)
        for entry in [full, bare, full] { try await world.audit.append(entry) }
        let events = try await world.audit.events(of: home.tenant, after: 0, limit: 10)
        #expect(events.map(\.entry) == [full, bare], "the same entry twice is there once")
        expectWhole(events)
        #expect(try await world.actions(in: nil) == [])
    }

    @Test("each tenant has a chain of its own, and the platform one", arguments: StoreAdapter.allCases)
    func chains(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (one, two) = (try await world.workspace(), try await world.workspace("w", of: "other"))
        for round in 1...3 {
            for tenant in [one.tenant, two.tenant, nil] {
                try await world.audit.append(world.entry("round.\(round)", of: tenant))
            }
        }
        for tenant in [one.tenant, two.tenant, nil] {
            let events = try await world.audit.events(of: tenant, after: 0, limit: 10)
            #expect(events.map(\.entry.action) == ["round.1", "round.2", "round.3"])
            #expect(events.allSatisfy { $0.entry.tenant == tenant })
            expectWhole(events)
            let head = try await world.audit.heads(changedAfter: nil).first { $0.tenant == tenant }
            #expect(head?.sequence == 3 && head?.seal == events.last?.seal)
        }
        #expect(try await world.audit.events(of: nil, after: 1, limit: 1).map(\.sequence) == [2])
        #expect(try await world.audit.heads(changedAfter: world.samples.clock.now).isEmpty)
        world.samples.clock.advance(by: .seconds(1))
        let before = world.samples.clock.now - .milliseconds(1)
        try await world.audit.append(world.entry(of: one.tenant))
        #expect(try await world.audit.heads(changedAfter: before).map(\.tenant) == [one.tenant])
    }

    @Test("events are listed newest first, page by page", arguments: StoreAdapter.allCases)
    func paging(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        for number in 1...8 { try await world.audit.append(world.entry("act.\(number)")) }
        let listed = try await everything { try await world.audit.list(of: nil, page: $0) }
        #expect(listed.map(\.sequence) == (1...8).reversed())
        let page = try PageRequest(limit: 3, after: "aud_x")
        #expect(await code { _ = try await world.audit.list(of: nil, page: page) } == .validationError)
    }

    @Test("many who act at once, on two nodes, make one chain without a gap", arguments: StoreAdapter.allCases)
    func concurrent(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let nodes = [world, try await world.otherNode()]
        let (home, second) = (try await world.workspace(), try await world.workspace("second"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<24 {
                let node = nodes[number % 2]
                group.addTask {
                    switch number % 3 {
                    case 0: try await node.audit.append(node.entry("act", of: home.tenant))
                    case 1: _ = try await node.key(in: home)
                    default: _ = try await node.key(in: second)
                    }
                }
            }
            try await group.waitForAll()
        }
        let events = try await world.audit.events(of: home.tenant, after: 0, limit: 100)
        #expect(events.count == 24)
        expectWhole(events)
    }

    @Test(
        "an act that fails is not in the log, and what fails to be logged does not take place",
        arguments: StoreAdapter.databases)
    func together(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let key = try await world.key(in: home)
        let twin = APIKey(
            id: world.samples.ids.next(), tenant: home.tenant, workspace: home.id, name: "twin", prefix: key.prefix,
            hash: "x", created: key.created)
        #expect(await code { try await world.keys.insert(twin, audit: world.entry("key.create")) } == .alreadyExists)
        #expect(try await world.actions(in: home.tenant) == ["key.create"])
        let database = try #require(world.database)
        try await database.write(.schema) { tx in try tx.run("ALTER TABLE audit_event RENAME TO elsewhere") }
        let revoked = await code {
            _ = try await world.keys.revoke(key.id, in: home.id, at: key.created, audit: world.entry("key.revoke"))
        }
        #expect(revoked == .internalError)
        #expect(try await world.keys.find(key.id, in: home.id)?.revoked == nil)
        #expect(try await world.subjects() == [])
    }

    @Test("events are neither changed nor removed, whoever asks", arguments: StoreAdapter.databases)
    func appendOnly(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        try await world.audit.append(world.entry("act", of: home.tenant))
        let database = try #require(world.database)
        for scope in [Scope.system, .tenant(home.tenant), .workspace(home.id)] {
            for sql in ["UPDATE audit_event SET action = 'other'", "DELETE FROM audit_event"] {
                await #expect(throws: DatabaseFailure.self, "\(scope) \(sql)") {
                    try await database.write(scope) { tx in try tx.run(sql) }
                }
            }
        }
        #expect(try await world.actions(in: home.tenant) == ["act"])
    }

    @Test(
        "a row that says something impossible is an event without a seal, and the others are there",
        arguments: StoreAdapter.databases)
    func unreadable(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        for number in 1...3 { try await world.audit.append(world.entry("act.\(number)")) }
        let database = try #require(world.database)
        if database.dialect == .sqlite {
            try await database.execute(.schema, "DROP TRIGGER audit_event_is_final", [])
        }
        try await database.execute(.schema, "UPDATE audit_event SET outcome = 'fine' WHERE sequence = 2", [])
        let events = try await world.audit.events(of: nil, after: 0, limit: 10)
        #expect(events.map(\.sequence) == [1, 2, 3])
        #expect(events.map(\.seal.isEmpty) == [false, true, false])
        #expect(events[1].entry.action == "act.2")
    }
}
