import Flows
import Kernel
import Tenancy
import TestKit
import Testing

@Suite struct TenantControlTests {
    let house: ControlHarness

    init() async throws { house = try await ControlHarness() }

    @Test("a tenant is made, renamed, suspended, resumed, deleted and restored, and each act is in its own chain")
    func life() async throws {
        let made = try await house.flow.createTenant(NewTenant(name: "acme"))
        let renamed = try await house.flow.changeTenant(made.id, DirectoryChangeRequest(name: "Acme"))
        #expect(renamed.name == "Acme")
        #expect(
            try await house.flow.changeTenant(made.id, DirectoryChangeRequest(state: "suspended")).state == "suspended")
        #expect(try await house.flow.changeTenant(made.id, DirectoryChangeRequest(state: "active")).state == "active")
        let deleted = try await house.flow.deleteTenant(made.id, graceSeconds: nil)
        #expect(deleted.state == "deleted")
        #expect(deleted.purge == house.clock.now + .seconds(7 * 86_400))
        house.clock.advance(by: .seconds(60))
        #expect(try await house.flow.deleteTenant(made.id, graceSeconds: 0) == deleted)
        #expect(try await house.flow.changeTenant(made.id, DirectoryChangeRequest(state: "active")).state == "active")
        let acts = try await house.acts(of: made.id)
        #expect(
            acts == [
                "tenant.create", "tenant.rename", "tenant.suspend", "tenant.resume", "tenant.delete", "tenant.restore",
            ])
    }

    @Test("what its grace has run out for cannot be restored, and looks like what never was")
    func restoredTooLate() async throws {
        let id = try await house.house("acme").tenant
        _ = try await house.flow.deleteTenant(id, graceSeconds: 60)
        house.clock.advance(by: .seconds(60))
        let problem = await problem {
            try await house.flow.changeTenant(id, DirectoryChangeRequest(state: "active"))
        }
        #expect(problem?.code == .notFound)
    }

    @Test("the installation's own tenant and workspace are not deleted")
    func home() async {
        let home = house.workspace
        #expect(await problem { try await house.flow.deleteTenant(home.tenant, graceSeconds: 0) }?.code == .conflict)
        #expect(await problem { try await house.flow.deleteWorkspace(home.id, graceSeconds: 0) }?.code == .conflict)
    }

    @Test("nothing is made in what is deleted")
    func deletedHouse() async throws {
        let acme = try await house.house("acme")
        _ = try await house.flow.deleteWorkspace(acme.workspace, graceSeconds: nil)
        let key = NewKey(name: "k", workspace: acme.workspace.description)
        #expect(await problem { try await house.flow.createKey(key) }?.code == .conflict)
        _ = try await house.flow.deleteTenant(acme.tenant, graceSeconds: nil)
        let workspace = NewWorkspace(name: "w", tenant: "acme")
        #expect(await problem { try await house.flow.createWorkspace(workspace) }?.code == .conflict)
    }

    @Test(
        "a bad wish is refused with its field",
        arguments: [
            ("", nil, nil, "name"), ("ten_01JZ0000000000000000000000", nil, nil, "name"), (nil, "gone", nil, "state"),
            (nil, nil, -1, "grace_seconds"), (nil, nil, 90 * 86_400 + 1, "grace_seconds"),
        ] as [(String?, String?, Int?, String)])
    func badWishes(name: String?, state: String?, grace: Int?, parameter: String) async throws {
        let id = try await house.house("acme").tenant
        let problem = await problem {
            if let grace { return try await house.flow.deleteTenant(id, graceSeconds: grace) }
            return try await house.flow.changeTenant(id, DirectoryChangeRequest(name: name, state: state))
        }
        #expect(problem?.code == .validationError)
        #expect(problem?.parameter == parameter)
    }

    @Test("what belongs to another tenant is told exactly like what is not there, by identifier and by name")
    func foreign() async throws {
        let acme = try await house.house("acme")
        let other = try await house.house("other")
        let admin = try await house.person("ann@acme", .admin, in: acme.tenant)
        let unknown: TenantID = house.samples.ids.next()
        let foreign = await problem { try await admin.tenant(other.tenant) }
        let missing = await problem { try await admin.tenant(unknown) }
        #expect(foreign?.code == .notFound)
        #expect(foreign?.message.replacing(other.tenant.description, with: unknown.description) == missing?.message)
        #expect(foreign?.hint == missing?.hint)
        let named = await problem { try await admin.createWorkspace(NewWorkspace(name: "w", tenant: "other")) }
        let nobody = await problem { try await admin.createWorkspace(NewWorkspace(name: "w", tenant: "nobody")) }
        #expect(named?.code == .notFound)
        #expect(named?.message.replacing("other", with: "nobody") == nobody?.message)
        // The try is in the chain of whoever tried, and nothing of it in the other's.
        #expect(try await house.acts(of: acme.tenant).last == "workspace.create denied")
        #expect(try await !house.acts(of: other.tenant).contains { $0.hasSuffix("denied") })
    }

    @Test("people see the tenants and workspaces that they have a place in, page by page")
    func listings() async throws {
        let acme = try await house.house("acme")
        let other = try await house.house("other")
        let second = try await house.flow.createWorkspace(NewWorkspace(name: "second", tenant: "acme"))
        _ = try await house.person("ann", .admin, in: acme.tenant)
        let ann = try await house.person("ann", .analyst, in: other.tenant)
        let seen = try await ann.listTenants(PageRequest())
        #expect(Set(seen.data.map(\.name)) == ["acme", "other"])
        let first = try await ann.listTenants(PageRequest(limit: 1))
        #expect(first.hasMore)
        let rest = try await ann.listTenants(PageRequest(limit: 1, after: first.lastID))
        #expect((first.data + rest.data).map(\.id) == seen.data.map(\.id))
        // Ann is in two tenants, so she has to say which one she means.
        #expect(await problem { try await ann.listWorkspaces(in: nil, PageRequest()) }?.parameter == "tenant")
        #expect(try await ann.listWorkspaces(in: acme.tenant, PageRequest()).data.count == 2)
        let bob = try await house.person("bob", .developer, in: acme.tenant, workspace: second.id)
        #expect(try await bob.listWorkspaces(in: nil, PageRequest()).data.map(\.id) == [second.id])
        #expect(await problem { try await bob.workspace(acme.workspace) }?.code == .notFound)
    }

    @Test("a role does what the table says and no more")
    func roles() async throws {
        let acme = try await house.house("acme")
        let analyst = try await house.person("ann", .analyst, in: acme.tenant)
        let denied = await problem { try await analyst.createWorkspace(NewWorkspace(name: "w")) }
        #expect(denied?.code == .policyDenied)
        #expect(denied?.message.contains("workspace:write") == true)
        #expect(try await analyst.tenant(acme.tenant).name == "acme")
        let admin = try await house.person("bob", .admin, in: acme.tenant)
        #expect(
            await problem { try await admin.deleteTenant(acme.tenant, graceSeconds: nil) }?.code == .policyDenied)
        #expect(await problem { try await admin.createTenant(NewTenant(name: "mine")) }?.code == .policyDenied)
        #expect(await problem { try await admin.listUsers(PageRequest()) }?.code == .policyDenied)
        #expect(await problem { try await admin.listProviders() }?.code == .policyDenied)
        #expect(await problem { try await admin.listDeployments() }?.code == .policyDenied)
    }

    @Test("a flood of refusals does not flood the audit log")
    func denials() async throws {
        let acme = try await house.house("acme")
        let analyst = try await house.person("ann", .analyst, in: acme.tenant)
        let before = try await house.acts(of: acme.tenant).count
        for _ in 0..<(DenialLog.mostNoted + 20) {
            _ = await problem { try await analyst.createWorkspace(NewWorkspace(name: "w")) }
        }
        #expect(try await house.acts(of: acme.tenant).count == before + DenialLog.mostNoted)
        #expect(house.parts.denials.unrecorded == 20)
        house.clock.advance(by: .seconds(61))
        _ = await problem { try await analyst.createWorkspace(NewWorkspace(name: "w")) }
        #expect(try await house.acts(of: acme.tenant).count == before + DenialLog.mostNoted + 1)
    }
}
