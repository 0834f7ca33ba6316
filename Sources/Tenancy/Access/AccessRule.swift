package import Kernel

/// A tenant's own rule on top of the permission table. Rules only take away: what no role allows, no rule gives.
package struct AccessRule: Sendable, Hashable {
    package enum Effect: String, Sendable, Codable, CaseIterable {
        /// Refused where the conditions hold.
        case deny
        /// Refused where they do not hold.
        case require
    }

    package let id: RuleID
    package let tenant: TenantID
    /// Nil for all workspaces of the tenant.
    package let workspace: WorkspaceID?
    package let name: String
    package let effect: Effect
    /// What it is about; empty for every action but reading and changing rules: a mistake must not take away the means
    /// to mend it. A rule may name those too.
    package let actions: Set<Permission>
    /// Whom it is about: keys by identifier; empty for everybody.
    package let keys: Set<KeyID>
    package let conditions: RuleConditions
    package let created: Instant

    package init(
        id: RuleID, tenant: TenantID, workspace: WorkspaceID?, name: String, effect: Effect,
        actions: Set<Permission>, keys: Set<KeyID> = [], conditions: RuleConditions, created: Instant
    ) {
        self.id = id
        self.tenant = tenant
        self.workspace = workspace
        self.name = name
        self.effect = effect
        self.actions = actions
        self.keys = keys
        self.conditions = conditions
        self.created = created
    }

    /// The rule as it holds for a key that a rotation put in the place of others: what is about them is about it.
    package func following(_ key: KeyID, in forebears: Set<KeyID>) -> AccessRule {
        guard !keys.isDisjoint(with: forebears) else { return self }
        return AccessRule(
            id: id, tenant: tenant, workspace: workspace, name: name, effect: effect, actions: actions,
            keys: keys.union([key]), conditions: conditions, created: created)
    }

    func denial(
        _ principal: Principal, _ action: Permission, _ resource: Resource, _ context: AccessContext
    ) -> Denial? {
        guard resource.tenant == tenant, workspace == nil || workspace == resource.workspace,
            actions.isEmpty ? action != .ruleRead && action != .ruleWrite : actions.contains(action)
        else { return nil }
        if !keys.isEmpty {
            guard case .key(let id) = principal.identity, keys.contains(id) else { return nil }
        }
        // What is about no model is not what a rule about models means.
        if !conditions.models.isEmpty, resource.model == nil { return nil }
        if !conditions.environments.isEmpty, resource.environment == nil { return nil }
        let holds = conditions.hold(for: resource, in: context)
        return holds == (effect == .deny) ? .rule(id, name: name) : nil
    }
}

/// What a rule asks about a request. Each list that is not empty must have a match; several must all have one.
/// With no condition at all, it holds. One about models or environments is about acts on a model only.
package struct RuleConditions: Sendable, Hashable {
    package var models: [ModelPattern]
    package var environments: Set<ModelEnvironment>
    package var addresses: [AddressRange]
    package var times: [TimeWindow]

    package init(
        models: [ModelPattern] = [], environments: Set<ModelEnvironment> = [], addresses: [AddressRange] = [],
        times: [TimeWindow] = []
    ) {
        self.models = models
        self.environments = environments
        self.addresses = addresses
        self.times = times
    }

    func hold(for resource: Resource, in context: AccessContext) -> Bool {
        if !models.isEmpty {
            guard let model = resource.model, models.contains(where: { $0.matches(model) }) else { return false }
        }
        if !environments.isEmpty {
            guard let environment = resource.environment, environments.contains(environment) else { return false }
        }
        if !addresses.isEmpty {
            guard let address = context.address, addresses.contains(where: { $0.contains(address) }) else {
                return false
            }
        }
        return times.isEmpty || times.contains { $0.contains(context.now) }
    }
}

/// A model's name, or the beginning of names and a `*`.
package struct ModelPattern: Sendable, Hashable {
    package let text: String

    /// - Returns: nil for text with a `*` elsewhere than at its end, and for text that no model name could match.
    package init?(_ text: String) {
        guard (1...200).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            !text.dropLast().contains("*")
        else { return nil }
        self.text = text
    }

    package func matches(_ model: ModelNames) -> Bool { model.match(text) }
}

/// A part of the week, in a fixed offset from UTC.
package struct TimeWindow: Sendable, Hashable {
    /// 1 is Monday, 7 Sunday; empty for every day. A window over midnight belongs to the day that it begins on.
    package let days: Set<Int>
    /// Minutes after midnight, from the first on and before the second. When the second is not later, the window ends
    /// on the next day.
    package let from: Int
    package let until: Int
    /// Minutes east of UTC.
    package let offset: Int

    package init?(days: Set<Int>, from: Int, until: Int, offset: Int = 0) {
        guard days.allSatisfy((1...7).contains), (0..<1440).contains(from), (0...1440).contains(until),
            (-14 * 60...14 * 60).contains(offset)
        else { return nil }
        self.days = days
        self.from = from
        self.until = until
        self.offset = offset
    }

    package func contains(_ instant: Instant) -> Bool {
        let minutes = Self.floor(instant.seconds, 60) + Int64(offset)
        let day = Self.floor(minutes, 1440)
        let minute = Int(minutes - day * 1440)
        if until > from { return includes(day) && minute >= from && minute < until }
        return includes(day) && minute >= from || includes(day - 1) && minute < until
    }

    /// - Parameter day: whole days since 1970-01-01, which was a Thursday.
    private func includes(_ day: Int64) -> Bool {
        days.isEmpty || days.contains(Int((day + 3) - Self.floor(day + 3, 7) * 7) + 1)
    }

    private static func floor(_ number: Int64, _ unit: Int64) -> Int64 {
        number >= 0 ? number / unit : -((-number + unit - 1) / unit)
    }
}
