import Billing
package import Kernel
import Tenancy

extension ControlFlow {
    package func setLimits(_ request: LimitChange) async throws -> [LimitView] {
        let place = try await moneyPlace(of: request)
        try await gate.authorize(.billingWrite, on: place.target, as: "limit.set")
        let subject = try await subject(of: request, in: place)
        let amounts = try request.amounts()
        let model = try modelPattern(request.model)
        let money = try money
        let limits = try await money.limits.set(
            amounts, on: subject, model: model, of: place.tenant.id, workspace: place.workspace?.id, ids: parts.ids,
            by: act(request.words))
        await money.actions.didChange()
        return limits.map(LimitView.init)
    }

    package func listLimits(in tenant: TenantID?, workspace: WorkspaceID?) async throws -> [LimitView] {
        let place = try await authorizedPlace(.billingRead, tenant: tenant, workspace: workspace, as: "limit.list")
        return try await money.limits.list(of: place.tenant.id, workspace: place.workspace?.id).map(LimitView.init)
    }

    /// A key says by itself where it is.
    private func moneyPlace(of request: LimitChange) async throws -> MoneyPlace {
        if request.workspace == nil, let text = request.key {
            let missing = Self.missing("key", text, parameter: "key")
            guard let id = KeyID(text), let home = try await stores.keys.workspace(of: id) else { throw missing }
            let place = try await moneyPlace(tenant: request.tenant, workspace: home.workspace.description)
            return MoneyPlace(
                tenant: place.tenant, workspace: place.workspace,
                target: Target(place.target.resource, subject: text, missing: missing))
        }
        return try await moneyPlace(tenant: request.tenant, workspace: request.workspace)
    }

    private func subject(of request: LimitChange, in place: MoneyPlace) async throws -> RateLimit.Subject {
        guard request.key == nil || request.user == nil else {
            throw Problem(
                .validationError, "`key` and `user` exclude each other.", parameter: "user",
                hint: "A limit is of one key, one user, one workspace, or the whole tenant.")
        }
        if let key = try await spendingKey(named: request.key, in: place) { return .key(key) }
        if let user = try await spendingUser(named: request.user, in: place) { return .user(user) }
        if let workspace = place.workspace { return .workspace(workspace.id) }
        return .tenant(place.tenant.id)
    }
}

extension LimitChange {
    private static let most = Int(RateBucket.most)

    fileprivate func amounts() throws(Problem) -> [RateLimit.Quantity: Int64?] {
        var amounts: [RateLimit.Quantity: Int64?] = [:]
        let given: [(RateLimit.Quantity, Int?)] = [
            (.requestsPerMinute, rpm), (.tokensPerMinute, tpm), (.concurrency, concurrency),
        ]
        for (quantity, amount) in given {
            guard let amount else { continue }
            guard (1...Self.most).contains(amount) else {
                throw Problem(
                    .validationError, "`\(quantity.rawValue)` must be 1 to \(Self.most).",
                    parameter: quantity.rawValue, hint: "Name it in `remove` to take the limit away.")
            }
            amounts.updateValue(Int64(amount), forKey: quantity)
        }
        for (index, name) in try Checks.few(remove, "remove").enumerated() {
            let quantity = try Checks.oneOf(RateLimit.Quantity.self, name, parameter: "remove[\(index)]")
            guard amounts[quantity] == nil else {
                throw Problem(
                    .validationError, "`\(name)` is both set and removed.", parameter: "remove[\(index)]")
            }
            amounts.updateValue(nil, forKey: quantity)
        }
        guard !amounts.isEmpty else {
            throw Problem(
                .validationError, "It sets no limit.", parameter: "rpm",
                hint: "Give `rpm`, `tpm` or `concurrency`, or name one in `remove`.")
        }
        return amounts
    }

    fileprivate var words: [String: String] {
        var words: [String: String] = [:]
        if let rpm { words["rpm"] = "\(rpm)" }
        if let tpm { words["tpm"] = "\(tpm)" }
        if let concurrency { words["concurrency"] = "\(concurrency)" }
        if let remove { words["removed"] = remove.joined(separator: " ") }
        return words
    }
}
