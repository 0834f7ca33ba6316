package import Flows
package import Kernel
import NIOHTTP1

extension RemoteControl {
    package func createTenant(_ request: NewTenant) async throws -> TenantView {
        try await send(.POST, "tenants", body: request)
    }

    package func listTenants(_ page: PageRequest) async throws -> Page<TenantView> {
        try await send(.GET, "tenants" + query([:], page))
    }

    package func tenant(_ id: TenantID) async throws -> TenantView { try await send(.GET, "tenants/\(id)") }

    package func changeTenant(_ id: TenantID, _ change: DirectoryChangeRequest) async throws -> TenantView {
        try await send(.PATCH, "tenants/\(id)", body: change)
    }

    package func deleteTenant(_ id: TenantID, graceSeconds: Int?) async throws -> TenantView {
        try await send(.DELETE, "tenants/\(id)" + query(["grace_seconds": graceSeconds.map(String.init)]))
    }

    package func createWorkspace(_ request: NewWorkspace) async throws -> WorkspaceView {
        try await send(.POST, "workspaces", body: request)
    }

    package func listWorkspaces(in tenant: TenantID?, _ page: PageRequest) async throws -> Page<WorkspaceView> {
        try await send(.GET, "workspaces" + query(["tenant": tenant?.description], page))
    }

    package func workspace(_ id: WorkspaceID) async throws -> WorkspaceView {
        try await send(.GET, "workspaces/\(id)")
    }

    package func changeWorkspace(_ id: WorkspaceID, _ change: DirectoryChangeRequest) async throws -> WorkspaceView {
        try await send(.PATCH, "workspaces/\(id)", body: change)
    }

    package func deleteWorkspace(_ id: WorkspaceID, graceSeconds: Int?) async throws -> WorkspaceView {
        try await send(.DELETE, "workspaces/\(id)" + query(["grace_seconds": graceSeconds.map(String.init)]))
    }
}

extension RemoteControl {
    package func createUser(_ request: NewUser) async throws -> UserView {
        try await send(.POST, "users", body: request)
    }

    package func listUsers(_ page: PageRequest) async throws -> Page<UserView> {
        try await send(.GET, "users" + query([:], page))
    }

    package func changeUser(_ id: UserID, _ change: UserChange) async throws -> UserView {
        try await send(.PATCH, "users/\(id)", body: change)
    }

    package func setPassword(_ request: NewPassword) async throws -> UserView {
        try await send(.PUT, "users/password", body: request)
    }

    package func setOneTimeCodes(_ id: UserID, on: Bool) async throws -> OneTimeCodeSetup {
        try await send(on ? .PUT : .DELETE, "users/\(id)/one-time-codes")
    }

    package func createServiceAccount(_ request: NewServiceAccount) async throws -> UserView {
        try await send(.POST, "service-accounts", body: request)
    }

    package func listServiceAccounts(in tenant: TenantID?, _ page: PageRequest) async throws -> Page<UserView> {
        try await send(.GET, "service-accounts" + query(["tenant": tenant?.description], page))
    }

    package func addMember(_ request: NewMember) async throws -> MemberView {
        try await send(.POST, "members", body: request)
    }

    package func listMembers(
        in tenant: TenantID?, workspace: WorkspaceID?, _ page: PageRequest
    ) async throws -> Page<MemberView> {
        try await send(
            .GET,
            "members" + query(["tenant": tenant?.description, "workspace": workspace?.description], page))
    }

    package func changeMember(_ id: MemberID, _ change: MemberChange) async throws -> MemberView {
        try await send(.PATCH, "members/\(id)", body: change)
    }

    package func removeMember(_ id: MemberID) async throws -> MemberView {
        try await send(.DELETE, "members/\(id)")
    }
}
