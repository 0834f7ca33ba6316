package import Kernel
import Tenancy

extension ControlFlow: MemberControl {
    /// The local owner's name: it is made by its first password, and nobody else may take it.
    static let owner = "owner"

    package func createUser(_ request: NewUser) async throws -> UserView {
        try await gate.authorize(.userWrite, on: .platform, as: "user.create")
        return UserView(try await insertPerson(request.name, parameter: "name"))
    }

    package func listUsers(_ page: PageRequest) async throws -> Page<UserView> {
        try await gate.authorize(.userRead, on: .platform, as: "user.list")
        return try await stores.users.list(serviceAccountsOf: nil, page: page).map(UserView.init)
    }

    package func changeUser(_ id: UserID, _ change: UserChange) async throws -> UserView {
        let missing = Self.missing("user", id, parameter: "id")
        let found = try await stores.users.find(id)
        if let found, let tenant = found.tenant {
            // A program belongs to one tenant, and so do its ups and downs.
            try await gate.authorize(
                .memberWrite, on: Target(Resource(tenant: tenant), subject: id.description, missing: missing),
                as: "user.change")
        } else {
            try await mayChangePerson(id, missing: missing)
        }
        guard let user = found else { throw missing }
        guard change.state == "active" || change.state == "suspended" else {
            throw Checks.unknown("state", change.state, allowed: ["active", "suspended"])
        }
        guard change.state != user.standing.word else { return UserView(user) }
        if user.tenant != nil { try await mayRule(user) }
        let standing: Standing = change.state == "active" ? .active : .suspended(since: now)
        let entry = entry(
            change.state == "active" ? "user.resume" : "user.suspend", on: id, tenant: user.tenant,
            ["name": user.name])
        guard let changed = try await stores.users.change(id, to: standing, audit: entry) else { throw missing }
        await didRevoke()
        return UserView(changed)
    }

    package func setPassword(_ request: NewPassword) async throws -> UserView {
        try await gate.authorize(.userWrite, on: .platform, as: "user.password")
        try PasswordRule.check(request.password, user: request.user)
        guard Checks.couldBeName(request.user) else { throw Self.missing("user", request.user, parameter: "user") }
        let hash = try await parts.hasher.hash(request.password)
        let user: User
        if let found = try await stores.users.find(person: request.user) {
            user = found
        } else {
            guard request.user == Self.owner else { throw Self.missing("user", request.user, parameter: "user") }
            user = User(id: parts.ids.next(), kind: .person, name: Self.owner, isOperator: true, created: now)
            try await stores.users.insert(
                user, audit: entry("user.create", on: user.id, tenant: nil, ["name": user.name]))
        }
        let known = try await stores.users.secrets(of: user.id)
        try await stores.users.setSecrets(
            SignInSecrets(passwordHash: hash, sealedTOTP: known?.sealedTOTP, lastTOTPStep: known?.lastTOTPStep),
            of: user.id, at: now, audit: entry("user.password", on: user.id, tenant: nil, ["name": user.name]))
        await didRevoke()
        return UserView(user)
    }

    package func setOneTimeCodes(_ id: UserID, on: Bool) async throws -> OneTimeCodeSetup {
        try await gate.authorize(
            .userWrite, on: Target(.platform, subject: id.description), as: "user.one_time_codes")
        guard let user = try await stores.users.find(id), user.kind == .person else {
            throw Self.missing("user", id, parameter: "id")
        }
        guard let known = try await stores.users.secrets(of: id) else {
            throw Problem(
                .conflict, "The user has no password, so there is nothing that a code could add to.", parameter: "id",
                hint: "Set a password first.")
        }
        var sealed: [UInt8]?
        var uri: Secret?
        if on {
            let secret = parts.codes.newSecret()
            sealed = try parts.sealer.seal(
                Array(secret.reveal().utf8), for: SealPurpose.oneTimeCodes(of: id))
            uri = parts.codes.uri(secret, account: user.name, issuer: "Volery")
        }
        try await stores.users.setSecrets(
            SignInSecrets(passwordHash: known.passwordHash, sealedTOTP: sealed), of: id, at: now,
            audit: entry("user.one_time_codes", on: id, tenant: nil, ["enabled": "\(on)"]))
        await didRevoke()
        return OneTimeCodeSetup(user: id, enabled: on, uri: uri?.reveal())
    }

    package func createServiceAccount(_ request: NewServiceAccount) async throws -> UserView {
        let named = try await tenant(named: request.tenant)
        try await gate.authorize(.memberWrite, on: target(named), as: "service_account.create")
        let tenant = named.value
        let name = try Checks.name(request.name, of: "a service account")
        let role = try request.role.map { text throws(Problem) in
            try Checks.oneOf(Role.self, text, parameter: "role")
        }
        if let role { try mayGive(role, in: tenant.id, workspace: nil) }
        try mustNotBeDeleted(tenant.standing, "tenant", parameter: "tenant")
        let user = User(id: parts.ids.next(), kind: .service, tenant: tenant.id, name: name, created: now)
        try await naming("a service account `\(name)` in this tenant") {
            try await stores.users.insert(
                user, audit: entry("service_account.create", on: user.id, tenant: tenant.id, ["name": name]))
        }
        if let role { _ = try await insertMember(user, role, in: tenant.id, workspace: nil) }
        return UserView(user)
    }

    package func listServiceAccounts(in tenant: TenantID?, _ page: PageRequest) async throws -> Page<UserView> {
        let tenant = try await authorized(.memberRead, in: tenant, as: "service_account.list")
        return try await stores.users.list(serviceAccountsOf: tenant.id, page: page).map(UserView.init)
    }

    func insertPerson(_ text: String, parameter: String) async throws -> User {
        let name = try Checks.name(text, of: "a person", parameter: parameter)
        guard name != Self.owner else {
            throw Problem(
                .validationError, "The name `\(Self.owner)` belongs to the local owner.", parameter: parameter,
                hint: "Choose another name. `volery owner set-password` makes the local owner.")
        }
        let user = User(id: parts.ids.next(), kind: .person, name: name, created: now)
        try await naming("a person `\(name)`", parameter: parameter) {
            try await stores.users.insert(user, audit: entry("user.create", on: user.id, tenant: nil, ["name": name]))
        }
        return user
    }

    /// Accounts of people belong to the platform. Whom the caller does not share a tenant with is not there.
    private func mayChangePerson(_ id: UserID, missing: Problem) async throws {
        do {
            try await gate.authorize(.userWrite, on: Target(.platform, subject: id.description), as: "user.change")
        } catch {
            let own = Set(caller.principal.grants.compactMap(\.extent.tenant))
            let isKnown = try await stores.members.places(of: id).contains { own.contains($0.tenant) }
            throw isKnown ? error : missing
        }
    }

    /// Nobody suspends or wakes an account that may do more than oneself.
    private func mayRule(_ account: User) async throws {
        for place in try await stores.members.places(of: account.id) {
            try mayGive(place.role, in: place.tenant, workspace: place.workspace)
        }
    }
}
