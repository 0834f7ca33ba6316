import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct PeopleStoreContract {
    private func member(
        _ world: StoreWorld, _ user: User, in workspace: Workspace, whole: Bool = false, _ role: Role = .developer
    ) -> Member {
        Member(
            id: world.samples.ids.next(), tenant: workspace.tenant, workspace: whole ? nil : workspace.id,
            user: user.id, role: role, created: world.samples.clock.now)
    }

    @Test("people are unique by name, service accounts in their tenant", arguments: StoreAdapter.allCases)
    func users(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let (home, other) = (try await world.workspace(), try await world.workspace("w", of: "other"))
        let ada = User(id: world.samples.ids.next(), kind: .person, name: "ada", isOperator: true, created: now)
        try await world.users.insert(ada, audit: world.entry())
        func robot(_ tenant: TenantID) -> User {
            User(id: world.samples.ids.next(), kind: .service, tenant: tenant, name: "ada", created: now)
        }
        let (mine, theirs) = (robot(home.tenant), robot(other.tenant))
        try await world.users.insert(mine, audit: world.entry())
        try await world.users.insert(theirs, audit: world.entry())
        let twin = robot(home.tenant)
        #expect(await code { try await world.users.insert(twin, audit: world.entry()) } == .alreadyExists)
        let second = User(id: world.samples.ids.next(), kind: .person, name: "ada", created: now)
        #expect(await code { try await world.users.insert(second, audit: world.entry()) } == .alreadyExists)
        #expect(try await world.users.find(ada.id) == ada)
        #expect(try await world.users.find(person: "ada") == ada)
        #expect(try await world.users.list(serviceAccountsOf: home.tenant, page: PageRequest()).data == [mine])
        #expect(try await world.users.list(serviceAccountsOf: nil, page: PageRequest()).data == [ada])
    }

    @Test("suspending and restoring a user is told to the nodes", arguments: StoreAdapter.allCases)
    func suspended(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let user = try await world.person("ada")
        let standing = Standing.suspended(since: world.samples.clock.now)
        #expect(try await world.users.change(user.id, to: standing, audit: world.entry())?.standing == standing)
        #expect(try await world.users.change(user.id, to: .active, audit: world.entry()) == user)
        #expect(try await world.users.change(world.samples.ids.next(), to: .active, audit: world.entry()) == nil)
        #expect(try await world.subjects() == [.user(user.id), .user(user.id)])
    }

    @Test("a new password ends the person's sessions, and nobody else's", arguments: StoreAdapter.allCases)
    func secrets(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let now = world.samples.clock.now
        let (ada, bob) = (try await world.person("ada"), try await world.person("bob"))
        #expect(try await world.users.secrets(of: ada.id) == nil)
        func session(_ user: User, _ byte: UInt8) async throws -> Session {
            let session = Session(
                id: world.samples.ids.next(), user: user.id, digest: [UInt8](repeating: byte, count: 32), created: now,
                expires: now + .seconds(3600))
            try await world.sessions.insert(session, audit: world.entry("session.begin"))
            return session
        }
        let (first, other) = (try await session(ada, 1), try await session(bob, 2))
        #expect(try await world.sessions.find(digest: first.digest) == first)
        #expect(try await world.sessions.find(digest: [9]) == nil)
        let secrets = SignInSecrets(passwordHash: "plain:x", sealedTOTP: [1, 0, 255], lastTOTPStep: 7)
        try await world.users.setSecrets(secrets, of: ada.id, at: now, audit: world.entry("user.password"))
        #expect(try await world.users.secrets(of: ada.id) == secrets)
        #expect(try await world.sessions.find(digest: first.digest)?.ended == now)
        #expect(try await world.sessions.find(digest: other.digest)?.ended == nil)
        try await world.sessions.end(other.id, at: now, audit: world.entry("session.end"))
        try await world.sessions.end(other.id, at: now + .seconds(1), audit: world.entry("session.end"))
        #expect(try await world.sessions.find(digest: other.digest)?.ended == now)
        #expect(try await world.subjects() == [.session(first.id), .session(other.id)])
        #expect(try await world.actions(in: nil).count { $0 == "session.end" } == 1)
    }

    @Test("a one-time code is used once, by one of many who send it together", arguments: StoreAdapter.allCases)
    func oneTimeCode(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let user = try await world.person("ada")
        let secrets = SignInSecrets(passwordHash: "plain:x", sealedTOTP: [1])
        try await world.users.setSecrets(secrets, of: user.id, at: world.samples.clock.now, audit: world.entry())
        let used = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<10 { group.addTask { try await world.users.useTOTPStep(100, of: user.id) } }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(used == 1)
        #expect(try await !world.users.useTOTPStep(99, of: user.id))
        #expect(try await world.users.useTOTPStep(101, of: user.id))
    }

    @Test("a user has one place in a tenant and one in each workspace of it", arguments: StoreAdapter.allCases)
    func places(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, second) = (try await world.workspace(), try await world.workspace("second"))
        let other = try await world.workspace("w", of: "other")
        let ada = try await world.person("ada")
        var mine: [Member] = []
        for (workspace, whole) in [(home, true), (home, false), (second, false), (other, true)] {
            world.samples.clock.advance(by: .milliseconds(1))
            mine.append(member(world, ada, in: workspace, whole: whole))
            try await world.members.insert(mine[mine.count - 1], audit: world.entry())
        }
        for whole in [true, false] {
            let twin = member(world, ada, in: home, whole: whole, .owner)
            #expect(await code { try await world.members.insert(twin, audit: world.entry()) } == .alreadyExists)
        }
        #expect(try await world.members.places(of: ada.id) == mine)
        let listed = try await world.members.list(in: home.tenant, workspace: nil, page: PageRequest())
        #expect(listed.data == mine[..<3].reversed())
        let inOne = try await world.members.list(in: home.tenant, workspace: home.id, page: PageRequest())
        #expect(inOne.data == [mine[1]])
        #expect(try await world.members.tenant(of: mine[3].id) == other.tenant)
    }

    @Test(
        "a member is changed and removed in its tenant only, and the nodes are told", arguments: StoreAdapter.allCases)
    func changes(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let (home, other) = (try await world.workspace(), try await world.workspace("w", of: "other"))
        let ada = try await world.person("ada")
        let place = member(world, ada, in: home)
        try await world.members.insert(place, audit: world.entry("member.add"))
        let entry = world.entry("member.change")
        #expect(try await world.members.change(place.id, in: other.tenant, to: .owner, audit: entry) == nil)
        #expect(try await world.members.remove(place.id, in: other.tenant, audit: entry) == nil)
        #expect(try await world.members.find(place.id, in: other.tenant) == nil)
        #expect(try await world.members.find(place.id, in: home.tenant) == place)
        #expect(try await world.members.change(place.id, in: home.tenant, to: .admin, audit: entry)?.role == .admin)
        #expect(try await world.members.find(place.id, in: home.tenant)?.role == .admin)
        let removal = world.entry("member.remove")
        #expect(try await world.members.remove(place.id, in: home.tenant, audit: removal)?.id == place.id)
        #expect(try await world.members.remove(place.id, in: home.tenant, audit: removal) == nil)
        #expect(try await world.subjects() == [.user(ada.id), .user(ada.id), .user(ada.id)])
        #expect(try await world.actions(in: home.tenant) == ["member.add", "member.change", "member.remove"])
        #expect(try await world.actions(in: other.tenant) == [])
    }

    @Test("a tenant keeps one owner, also when its owners demote each other at once", arguments: StoreAdapter.allCases)
    func lastOwner(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let home = try await world.workspace()
        let owners = [
            member(world, try await world.person("ada"), in: home, whole: true, .owner),
            member(world, try await world.person("bob"), in: home, whole: true, .owner),
        ]
        for owner in owners { try await world.members.insert(owner, audit: world.entry()) }
        let demoted = try await withThrowingTaskGroup(of: Bool.self) { group in
            for owner in owners {
                group.addTask {
                    do {
                        let tenant = home.tenant
                        return try await world.members.change(
                            owner.id, in: tenant, to: .analyst, audit: world.entry()) != nil
                    } catch let problem as Problem where problem.code == .conflict {
                        return false
                    }
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(demoted == 1)
        let left = try await world.members.list(in: home.tenant, workspace: nil, page: PageRequest()).data
        let last = try #require(left.first { $0.role == .owner })
        let removal = await code { _ = try await world.members.remove(last.id, in: home.tenant, audit: world.entry()) }
        #expect(removal == .conflict)
    }
}
