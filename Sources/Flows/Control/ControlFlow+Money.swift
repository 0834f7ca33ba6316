import Billing
import Kernel
import Tenancy

extension ControlFlow: MoneyControl {}

// What the methods about money have in common.
extension ControlFlow {
    var money: MoneyParts {
        get throws(Problem) {
            guard let money = parts.money else {
                throw Problem(.internalError, "Money is not wired into this process.")
            }
            return money
        }
    }

    /// For the audit event that a store writes with the change.
    func act(_ details: [String: String] = [:]) -> MoneyAct {
        MoneyAct(
            id: parts.ids.next(), actor: caller.actor, address: caller.address, request: caller.request, at: now,
            details: caller.details(details).mapValues { String(decoding: $0.utf8.prefix(500), as: UTF8.self) })
    }

    /// A tenant, or one of its workspaces.
    struct MoneyPlace {
        let tenant: Tenant
        let workspace: Workspace?
        let target: Target
    }

    /// - Parameters:
    ///   - tenant: by identifier or name; nil for the workspace's, and for the caller's own.
    ///   - workspace: by identifier or name; nil for the whole tenant.
    func moneyPlace(tenant: String?, workspace: String?) async throws -> MoneyPlace {
        guard let workspace else {
            let home = try await self.tenant(named: tenant)
            return MoneyPlace(tenant: home.value, workspace: nil, target: target(home))
        }
        if tenant == nil, let id = WorkspaceID(workspace) {
            let named = try await self.workspace(id, parameter: "workspace")
            let home = try await self.tenant(named.value.tenant, parameter: "tenant")
            return MoneyPlace(tenant: home.value, workspace: named.value, target: target(named))
        }
        let home = try await self.tenant(named: tenant)
        let named = try await self.workspace(named: workspace, in: home.value)
        return MoneyPlace(tenant: home.value, workspace: named.value, target: target(named))
    }

    func authorizedPlace(
        _ action: Permission, tenant: TenantID?, workspace: WorkspaceID?, as act: String
    ) async throws -> MoneyPlace {
        let place = try await moneyPlace(tenant: tenant?.description, workspace: workspace?.description)
        try await gate.authorize(action, on: place.target, as: act)
        return place
    }

    /// A key of the place.
    func spendingKey(named text: String?, in place: MoneyPlace) async throws -> KeyID? {
        guard let text else { return nil }
        let missing = Self.missing("key", text, parameter: "key")
        guard let id = KeyID(text), let home = try await stores.keys.workspace(of: id), home.tenant == place.tenant.id,
            place.workspace == nil || place.workspace?.id == home.workspace
        else { throw missing }
        return id
    }

    /// Somebody who has a place in the tenant: by identifier, or a person's name.
    func spendingUser(named text: String?, in place: MoneyPlace) async throws -> UserID? {
        guard let text else { return nil }
        let missing = Self.missing("member", text, parameter: "user")
        let user: User?
        if let id = UserID(text) {
            user = try await stores.users.find(id)
        } else {
            guard Checks.couldBeName(text) else { throw missing }
            user = try await stores.users.find(person: text)
        }
        guard let user,
            try await stores.members.places(of: user.id).contains(where: { $0.tenant == place.tenant.id })
        else { throw missing }
        return user.id
    }

    /// A model's name, or the beginning of names and a `*`.
    func modelPattern(_ text: String?, parameter: String = "model") throws(Problem) -> String? {
        guard let text else { return nil }
        guard let pattern = ModelPattern(text) else {
            throw Problem(
                .validationError, "`\(parameter)` is no model's name.", parameter: parameter,
                hint: "Write a name, or the beginning of names and a `*`.")
        }
        return pattern.text
    }

    func currency(_ text: String, parameter: String = "currency") throws(Problem) -> Currency {
        try Checks.currency(text, parameter: parameter)
    }

    /// A currency or a unit of usage; one of the two must be given.
    func asset(currency: String?, unit: String?) throws(Problem) -> Asset {
        switch (currency, unit) {
        case (let text?, nil): return .money(try self.currency(text))
        case (nil, let text?):
            guard let asset = Asset(text), asset.currency == nil else {
                throw Checks.unknown("unit", text, allowed: Asset.all.filter { $0.currency == nil }.map(\.text))
            }
            return asset
        case (nil, nil), (_?, _?):
            throw Problem(
                .validationError, "Either `currency` or `unit` says what the amount is of.", parameter: "currency",
                hint: "Give a currency such as USD for money, or a unit such as tokens for usage.")
        }
    }

    /// Where the caller is somebody and may do this; for what belongs to nobody and may be seen by many.
    func mayAnywhere(_ action: Permission, as act: String) async throws {
        let places = caller.principal.grants.map { grant in
            switch grant.extent {
            case .platform: Resource.platform
            case .tenant(let id): Resource(tenant: id)
            case .workspace(let id, of: let tenant): Resource(tenant: tenant, workspace: id)
            }
        }
        if places.contains(where: { gate.allows(action, on: $0) }) { return }
        try await gate.authorize(action, on: Target(places.first ?? .platform), as: act)
    }
}
