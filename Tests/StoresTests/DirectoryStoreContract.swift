import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct DirectoryStoreContract {
    @Test("a tenant comes back by id and by name, and a taken name is refused", arguments: StoreAdapter.allCases)
    func tenants(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let tenant = Tenant(id: world.samples.ids.next(), name: "acme", created: now)
        let entry = world.entry("tenant.create", of: tenant.id)
        try await world.tenants.insert(tenant, audit: entry)
        try await world.tenants.insert(tenant, audit: entry)
        #expect(try await world.tenants.find(tenant.id) == tenant)
        #expect(try await world.tenants.find(named: "acme") == tenant)
        #expect(try await world.tenants.find(named: "Acme") == nil)
        #expect(try await world.tenants.find(world.samples.ids.next()) == nil)
        #expect(try await world.actions(in: tenant.id) == ["tenant.create"])
        let twin = Tenant(id: world.samples.ids.next(), name: "acme", created: now)
        #expect(
            await code { try await world.tenants.insert(twin, audit: world.entry(of: twin.id)) } == .alreadyExists)
        #expect(try await world.actions(in: twin.id) == [], "what did not take place is not in the log")
    }

    @Test(
        "a change of standing or name is as it was asked for, and what is nil stays", arguments: StoreAdapter.allCases)
    func standing(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let home = try await world.workspace()
        let deleted = Standing.deleted(since: now, purge: now + .seconds(60))
        for standing in [Standing.suspended(since: now), .active, deleted, .active] {
            let change = DirectoryChange(standing: standing)
            let workspace = try await world.workspaces.change(home.id, in: home.tenant, change, audit: world.entry())
            #expect(workspace?.standing == standing && workspace?.name == "default")
            let tenant = try await world.tenants.change(home.tenant, change, audit: world.entry(of: home.tenant))
            #expect(tenant?.standing == standing)
            #expect(try await world.workspaces.find(home.id)?.standing == standing)
            #expect(try await world.tenants.find(home.tenant)?.standing == standing)
        }
        let renamed = try await world.workspaces.change(
            home.id, in: home.tenant, DirectoryChange(name: "other"), audit: world.entry())
        #expect(renamed?.name == "other" && renamed?.standing == .active)
        #expect(try await world.workspaces.find(named: "other", in: home.tenant) == renamed)
        #expect(try await world.workspaces.find(named: "default", in: home.tenant) == nil)
        #expect(
            try await world.subjects() == [
                .workspace(home.id), .tenant(home.tenant), .workspace(home.id), .tenant(home.tenant),
                .workspace(home.id), .tenant(home.tenant), .workspace(home.id), .tenant(home.tenant),
            ], "what credentials can do is told both ways, and a name is not")
    }

    @Test("what was suspended before it was deleted is suspended when it comes back", arguments: StoreAdapter.allCases)
    func restored(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let home = try await world.workspace()
        let suspended = Standing.suspended(since: now)
        let deleted = suspended.deleted(at: now, purge: now + .seconds(60))
        for standing in [suspended, deleted] {
            _ = try await world.workspaces.change(
                home.id, in: home.tenant, DirectoryChange(standing: standing), audit: world.entry())
        }
        let found = try #require(try await world.workspaces.find(home.id))
        #expect(found.standing == deleted)
        #expect(found.standing.restored == suspended)
        #expect(Standing.deleted(since: now, purge: now).restored == .active)
    }

    @Test("a name that looks like a purged one stops no purge", arguments: StoreAdapter.allCases)
    func squatted(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let home = try await world.workspace("gone")
        for name in ["gone~\(home.id)", home.id.description, "\(home.id)"] {
            _ = try? await world.workspaces.insert(
                Workspace(id: world.samples.ids.next(), tenant: home.tenant, name: name, created: now),
                audit: world.entry())
        }
        _ = try await world.workspaces.change(
            home.id, in: home.tenant, DirectoryChange(standing: .deleted(since: now, purge: now)),
            audit: world.entry())
        let purged = try await world.workspaces.purge(at: now, limit: 10) { _ in world.entry() }
        #expect(purged == 1)
    }

    @Test("a change that changes nothing leaves no trace", arguments: StoreAdapter.allCases)
    func noChange(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let change = DirectoryChange(name: "default", standing: .active)
        let same = try await world.workspaces.change(home.id, in: home.tenant, change, audit: world.entry())
        #expect(same == home)
        #expect(try await world.actions(in: home.tenant) == [])
    }

    @Test("a name is taken in its tenant, also by a renaming, and free in others", arguments: StoreAdapter.allCases)
    func names(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (one, two) = (try await world.workspace("one"), try await world.workspace("two"))
        let elsewhere = try await world.workspace("one", of: "other")
        let change = DirectoryChange(name: "one")
        #expect(
            await code {
                _ = try await world.workspaces.change(two.id, in: two.tenant, change, audit: world.entry())
            } == .alreadyExists)
        let twin = Workspace(id: world.samples.ids.next(), tenant: one.tenant, name: "one", created: one.created)
        #expect(await code { try await world.workspaces.insert(twin, audit: world.entry()) } == .alreadyExists)
        #expect(elsewhere.tenant != one.tenant)
        #expect(
            await code {
                _ = try await world.tenants.change(
                    elsewhere.tenant, DirectoryChange(name: "default"), audit: world.entry())
            } == .alreadyExists)
    }

    @Test("a workspace is reached in its own tenant only", arguments: StoreAdapter.allCases)
    func foreignWorkspace(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, other) = (try await world.workspace(), try await world.workspace("default", of: "other"))
        #expect(try await world.workspaces.find(home.id, in: home.tenant) == home)
        #expect(try await world.workspaces.find(home.id, in: other.tenant) == nil)
        let change = DirectoryChange(standing: .suspended(since: world.samples.clock.now))
        let changed = try await world.workspaces.change(home.id, in: other.tenant, change, audit: world.entry())
        #expect(changed == nil)
        #expect(try await world.workspaces.find(home.id)?.standing == .active)
        #expect(try await world.actions(in: other.tenant) == [])
        #expect(try await world.subjects() == [])
    }

    @Test("tenants and workspaces are listed newest first, page by page", arguments: StoreAdapter.allCases)
    func paging(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        var names: [String] = []
        for number in 1...7 {
            world.samples.clock.advance(by: .milliseconds(1))
            names.insert("w\(number)", at: 0)
            _ = try await world.workspace("w\(number)", of: "t\(number)")
            _ = try await world.workspace("w\(number)", of: "t1")
        }
        let home = try #require(try await world.tenants.find(named: "t1"))
        #expect(
            try await everything { try await world.workspaces.list(in: home.id, page: $0) }.map(\.name) == names)
        #expect(
            try await everything { try await world.tenants.list(page: $0) }.map(\.name)
                == names.map { $0.replacing("w", with: "t") })
        let page = try PageRequest(limit: 3, after: "key_01JZ0000000000000000000000")
        #expect(await code { _ = try await world.tenants.list(page: page) } == .validationError)
    }

    @Test(
        "what is deleted goes for good when its time has come, and its name is free", arguments: StoreAdapter.allCases)
    func purge(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let clock = world.samples.clock
        let (doomed, kept) = (try await world.workspace("doomed"), try await world.workspace("kept"))
        let (key, other) = (try await world.key(in: doomed), try await world.key(in: kept))
        let user = try await world.person("ada")
        let member = Member(
            id: world.samples.ids.next(), tenant: doomed.tenant, workspace: doomed.id, user: user.id, role: .admin,
            created: clock.now)
        try await world.members.insert(member, audit: world.entry())
        let purge = clock.now + .seconds(60)
        let change = DirectoryChange(standing: .deleted(since: clock.now, purge: purge))
        _ = try await world.workspaces.change(doomed.id, in: doomed.tenant, change, audit: world.entry())
        let entry = world.entry("workspace.purge", of: doomed.tenant)
        #expect(try await world.workspaces.purge(at: purge - .seconds(1), limit: 10) { _ in entry } == 0)
        #expect(try await world.workspaces.find(doomed.id)?.name == "doomed")
        #expect(try await world.workspaces.purge(at: purge, limit: 10) { _ in entry } == 1)
        #expect(try await world.workspaces.purge(at: purge, limit: 10) { _ in entry } == 0)
        #expect(try await world.workspaces.find(doomed.id) == nil)
        #expect(try await world.workspaces.list(in: doomed.tenant, page: PageRequest()).data == [kept])
        #expect(try await world.keys.find(prefix: key.prefix) == nil)
        #expect(try await world.keys.find(prefix: other.prefix)?.key == other)
        #expect(try await world.members.find(member.id, in: doomed.tenant) == nil)
        #expect(try await world.actions(in: doomed.tenant).count { $0 == "workspace.purge" } == 1)
        let again = try await world.workspace("doomed")
        #expect(again.id != doomed.id && again.standing == .active)
    }

    @Test("a deleted tenant takes its workspaces and people along", arguments: StoreAdapter.allCases)
    func purgeTenant(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let (one, two) = (try await world.workspace("one", of: "gone"), try await world.workspace("two", of: "gone"))
        let robot = User(id: world.samples.ids.next(), kind: .service, tenant: one.tenant, name: "ci", created: now)
        try await world.users.insert(robot, audit: world.entry())
        let key = try await world.key(in: two, user: robot.id)
        try await world.members.insert(
            Member(
                id: world.samples.ids.next(), tenant: one.tenant, workspace: nil, user: robot.id, role: .developer,
                created: now), audit: world.entry())
        let change = DirectoryChange(standing: .deleted(since: now, purge: now))
        _ = try await world.tenants.change(one.tenant, change, audit: world.entry(of: one.tenant))
        let purged = try await world.workspaces.purge(at: now, limit: 1) {
            world.entry("workspace.purge", of: $0.tenant)
        }
        #expect(purged == 1)
        #expect(try await world.tenants.find(one.tenant) != nil, "one workspace is left")
        let rest = try await world.workspaces.purge(at: now, limit: 9) { world.entry("workspace.purge", of: $0.tenant) }
        #expect(rest == 1)
        #expect(try await world.tenants.find(one.tenant) == nil)
        #expect(try await world.users.find(robot.id) == nil)
        #expect(try await world.keys.find(prefix: key.prefix) == nil)
        #expect(try await world.actions(in: one.tenant).last == "workspace.purge", "the log stays")
        let tenant = Tenant(id: world.samples.ids.next(), name: "gone", created: now)
        try await world.tenants.insert(tenant, audit: world.entry(of: tenant.id))
        #expect(try await world.tenants.find(named: "gone") == tenant)
    }
}

/// All pages of a listing, three items each.
func everything<Item: Sendable>(_ list: (PageRequest) async throws -> Page<Item>) async throws -> [Item] {
    var items: [Item] = []
    var after: String?
    while true {
        let page = try await list(PageRequest(limit: 3, after: after))
        items += page.data
        guard page.hasMore, let last = page.lastID else { return items }
        after = last
    }
}
