import Flows
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct MemberControlTests {
    let house: ControlHarness

    init() async throws { house = try await ControlHarness() }

    @Test("nobody gives, takes or changes a role that holds more than their own")
    func roles() async throws {
        let acme = try await house.house("acme")
        _ = try await house.person("olga", .owner, in: acme.tenant)
        let admin = try await house.person("ann", .admin, in: acme.tenant)
        let members = try await admin.listMembers(in: nil, workspace: nil, PageRequest()).data
        let owner = try #require(members.first { $0.role == .owner })
        let own = try #require(members.first { $0.name == "ann" })
        let attempts: [@Sendable () async throws -> MemberView] = [
            { try await admin.addMember(NewMember(user: "eve", role: "owner")) },
            { try await admin.changeMember(own.id, MemberChange(role: "owner")) },
            { try await admin.changeMember(owner.id, MemberChange(role: "analyst")) },
            { try await admin.removeMember(owner.id) },
        ]
        for attempt in attempts {
            #expect(await problem { try await attempt() }?.code == .policyDenied)
        }
        #expect(try await admin.addMember(NewMember(user: "dave", role: "developer")).role == .developer)
    }

    @Test("nobody rises by way of a service account or a key")
    func detours() async throws {
        let acme = try await house.house("acme")
        let admin = try await house.person("ann", .admin, in: acme.tenant)
        let account = NewServiceAccount(name: "ci", role: "owner")
        #expect(await problem { try await admin.createServiceAccount(account) }?.code == .policyDenied)
        let strong = try await house.flow.createServiceAccount(
            NewServiceAccount(name: "root", tenant: "acme", role: "owner"))
        let key = NewKey(
            name: "k", workspace: "main", user: strong.id.description, scopes: ["*"])
        #expect(await problem { try await admin.createKey(key) }?.code == .policyDenied)
        let suspend = UserChange(state: "suspended")
        #expect(await problem { try await admin.changeUser(strong.id, suspend) }?.code == .policyDenied)
        // A key of the owner's, whose secret a rotation would give away.
        let owned = try await house.flow.createKey(
            NewKey(name: "k", workspace: acme.workspace.description, user: strong.id.description, scopes: ["*"]))
        #expect(await problem { try await admin.rotateKey(owned.view.id, KeyRotation()) }?.code == .policyDenied)
    }

    @Test("a developer makes keys for itself, and not in another's name")
    func othersKeys() async throws {
        let acme = try await house.house("acme")
        let developer = try await house.person("dave", .developer, in: acme.tenant)
        _ = try await house.person("ann", .analyst, in: acme.tenant)
        #expect(try await developer.createKey(NewKey(name: "k", workspace: "main", user: "dave")).view.user != nil)
        let other = NewKey(name: "k", workspace: "main", user: "ann")
        #expect(await problem { try await developer.createKey(other) }?.code == .policyDenied)
        let stranger = NewKey(name: "k", workspace: "main", user: "nobody")
        #expect(await problem { try await developer.createKey(stranger) }?.code == .notFound)
    }

    @Test("a tenant keeps its last owner, whoever asks")
    func lastOwner() async throws {
        let acme = try await house.house("acme")
        let olga = try await house.person("olga", .owner, in: acme.tenant)
        let place = try #require(try await olga.listMembers(in: nil, workspace: nil, PageRequest()).data.first)
        #expect(await problem { try await olga.removeMember(place.id) }?.code == .conflict)
        #expect(await problem { try await house.flow.removeMember(place.id) }?.code == .conflict)
        let demotion = MemberChange(role: "admin")
        #expect(await problem { try await olga.changeMember(place.id, demotion) }?.code == .conflict)
        _ = try await house.person("oscar", .owner, in: acme.tenant)
        #expect(try await olga.removeMember(place.id).id == place.id)
    }

    @Test("the local owner's name is nobody else's")
    func owner() async throws {
        let acme = try await house.house("acme")
        let admin = try await house.person("ann", .admin, in: acme.tenant)
        let squatter = NewMember(user: "owner", role: "analyst")
        #expect(await problem { try await admin.addMember(squatter) }?.parameter == "user")
        #expect(await problem { try await house.flow.createUser(NewUser(name: "owner")) }?.parameter == "name")
        let owner = try await house.flow.setPassword(
            NewPassword(user: "owner", password: Secret("correct horse battery")))
        #expect(owner.isOperator)
        let flow = try await house.signedIn(owner.id)
        #expect(try await flow.listUsers(PageRequest()).data.map(\.name).contains("owner"))
    }

    @Test("only the operator gives a person of another tenant a place")
    func people() async throws {
        let acme = try await house.house("acme")
        let other = try await house.house("other")
        let admin = try await house.person("ann", .admin, in: acme.tenant)
        _ = try await house.person("bob", .analyst, in: other.tenant)
        let bob = try #require(try await house.flow.listUsers(PageRequest()).data.first { $0.name == "bob" })
        let byID = NewMember(user: bob.id.description, role: "analyst")
        #expect(await problem { try await admin.addMember(byID) }?.code == .notFound)
        let byName = NewMember(user: "bob", role: "analyst")
        let refused = await problem { try await admin.addMember(byName) }
        #expect(refused?.code == .policyDenied)
        #expect(refused?.message == "The operator adds people who have an account already.")
        #expect(try await house.signedIn(bob.id).listWorkspaces(in: nil, PageRequest()).data.count == 1)
        // An account without any place is nobody's to take either, and is answered in the same words.
        _ = try await house.flow.createUser(NewUser(name: "dora"))
        #expect(await problem { try await admin.addMember(NewMember(user: "dora", role: "analyst")) } == refused)
        #expect(try await admin.addMember(NewMember(user: "carl", role: "analyst")).name == "carl")
        let second = NewMember(user: "carl", role: "developer", workspace: "main")
        #expect(try await admin.addMember(second).workspace == acme.workspace)
        let place = NewMember(user: "bob", role: "analyst", tenant: "acme")
        #expect(try await house.flow.addMember(place).user == bob.id)
        #expect(try await admin.addMember(NewMember(user: "bob", role: "developer", workspace: "main")).user == bob.id)
    }

    @Test("the people of a tenant bring it to 1000 members, and the operator further")
    func mostMembers() async throws {
        let acme = try await house.house("acme")
        let admin = try await house.person("ann", .admin, in: acme.tenant)
        for _ in 0..<998 {
            let member = Member(
                id: house.samples.ids.next(), tenant: acme.tenant, workspace: nil, user: house.samples.ids.next(),
                role: .analyst, created: house.clock.now)
            try await house.directory.insert(member, audit: Samples.entry)
        }
        _ = try await admin.addMember(NewMember(user: "last", role: "analyst"))
        let next = NewMember(user: "next", role: "analyst", tenant: "acme")
        #expect(await problem { try await admin.addMember(next) }?.code == .conflict)
        #expect(try await house.flow.listUsers(PageRequest()).data.contains { $0.name == "next" } == false)
        #expect(try await house.flow.addMember(next).name == "next")
    }

    @Test("an account of another tenant's is answered like one that never was")
    func foreignAccounts() async throws {
        let acme = try await house.house("acme")
        _ = try await house.house("other")
        let owner = try await house.person("olga", .owner, in: acme.tenant)
        let account = try await house.flow.createServiceAccount(NewServiceAccount(name: "ci", tenant: "other"))
        let bob = try await house.flow.addMember(NewMember(user: "bob", role: "analyst", tenant: "other"))
        let never: UserID = house.samples.ids.next()
        for id in [account.id, bob.user, never] {
            let problem = await problem { try await owner.changeUser(id, UserChange(state: "suspended")) }
            #expect(problem?.code == .notFound)
            #expect(problem?.message == "There is no user `\(id)`.")
        }
        // Whom the caller shares a tenant with is known, and still the platform's.
        let dave = try await house.flow.addMember(NewMember(user: "dave", role: "analyst", tenant: "acme"))
        let problem = await problem { try await owner.changeUser(dave.user, UserChange(state: "suspended")) }
        #expect(problem?.code == .policyDenied)
    }

    @Test("suspension, demotion and removal end what a person may do at once")
    func ends() async throws {
        let acme = try await house.house("acme")
        let member = try await house.flow.addMember(
            NewMember(user: "dave", role: "developer", tenant: "acme"))
        let key = try await house.flow.createKey(
            NewKey(
                name: "k", workspace: acme.workspace.description, user: "dave",
                scopes: ["inference:execute", "key:read"]))
        #expect(try await house.holder(of: key).listKeys(PageRequest()).data.count == 1)
        _ = try await house.flow.removeMember(member.id)
        house.clock.advance(by: .seconds(60))
        let holder = try await house.holder(of: key)
        #expect(await problem { try await holder.listKeys(PageRequest()) }?.code == .policyDenied)
        _ = try await house.flow.changeUser(member.user, UserChange(state: "suspended"))
        house.clock.advance(by: .seconds(60))
        #expect(try await house.verifier.verify(key.token.reveal()) == .refused)
    }

    @Test("places in what is suspended count for nothing")
    func suspendedPlaces() async throws {
        let acme = try await house.house("acme")
        let member = try await house.flow.addMember(NewMember(user: "ann", role: "owner", tenant: "acme"))
        _ = try await house.flow.changeTenant(acme.tenant, DirectoryChangeRequest(state: "suspended"))
        let ann = try await house.signedIn(member.user)
        #expect(await problem { try await ann.tenant(acme.tenant) }?.code == .notFound)
        let resume = DirectoryChangeRequest(state: "active")
        #expect(await problem { try await ann.changeTenant(acme.tenant, resume) }?.code == .notFound)
    }
}
