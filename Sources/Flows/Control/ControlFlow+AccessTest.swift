import Kernel
import Tenancy

extension ControlFlow {
    package func testAccess(_ question: AccessQuestion) async throws -> AccessAnswer {
        let subject = try await subject(of: question)
        let action = try Checks.oneOf(Permission.self, question.action, parameter: "action")
        let address = try question.address.map { text throws(Problem) in
            guard let address = IPAddress(text) else {
                throw Problem(
                    .validationError, "`address` is not an address.", parameter: "address",
                    hint: "Write 192.0.2.7 or 2001:db8::7.")
            }
            return address
        }
        if let model = question.model, ModelPattern(model) == nil || model.hasSuffix("*") {
            throw Problem(.validationError, "`model` is not a model's name.", parameter: "model")
        }
        guard let principal = subject.principal else { return AccessAnswer(allowed: false, reason: subject.obstacle) }
        var resource = subject.target.resource
        resource.environment = principal.limits.environment
        let context = AccessContext(now: question.at ?? now, address: address ?? caller.address)
        var first: Denial?
        // As with a request: one of the deployments behind the name is enough.
        for model in await meant(by: question.model, in: resource.environment ?? .production) {
            resource.model = model
            switch parts.access.decide(principal, action, on: resource, in: context) {
            case .allow: return AccessAnswer(allowed: true, reason: nil)
            case .deny(let denial): first = first ?? denial
            }
        }
        return AccessAnswer(allowed: false, reason: first?.words)
    }

    /// - Returns: at least one; a model that is not here has its name alone.
    private func meant(by model: String?, in environment: ModelEnvironment) async -> [ModelNames?] {
        guard let model else { return [nil] }
        let known = await models(named: model, in: environment)
        return known.isEmpty ? [ModelNames(model)] : known
    }

    private struct Subject {
        /// What the question is about, which the asker may look at.
        let target: Target
        /// Nil when the credential does not work at all, for the reason in `obstacle`.
        let principal: Principal?
        let obstacle: String?
    }

    /// Nothing is looked at beside what is somebody else's: the answers would differ by what is there.
    private func subject(of question: AccessQuestion) async throws -> Subject {
        if let id = KeyID(question.subject) { return try await subject(id, question) }
        let missing = Self.missing("key or user", question.subject, parameter: "subject")
        guard let id = UserID(question.subject) else { throw missing }
        let target = try await place(of: question, missing: missing)
        if gate.decision(.ruleRead, on: target.resource) == .deny(.foreign) {
            try await gate.authorize(.ruleRead, on: target, as: "rule.test")
        }
        guard let user = try await stores.users.find(id) else { throw missing }
        // Somebody who has no place in the tenant is unknown there.
        let places = try await stores.members.places(of: id)
        let isKnown =
            user.tenant == target.resource.tenant || places.contains { $0.tenant == target.resource.tenant }
            || caller.principal.isOperator
        guard isKnown else { throw missing }
        try await gate.authorize(.ruleRead, on: target, as: "rule.test")
        let directory = PrincipalDirectory(
            users: stores.users, members: stores.members, tenants: stores.tenants, workspaces: stores.workspaces,
            rules: stores.rules)
        let principal = try await directory.principal(of: id, identity: .session(parts.ids.next()))
        return Subject(
            target: target, principal: principal, obstacle: principal == nil ? "The user is suspended." : nil)
    }

    private func subject(_ id: KeyID, _ question: AccessQuestion) async throws -> Subject {
        let missing = Self.missing("key or user", id, parameter: "subject")
        guard let place = try await stores.keys.workspace(of: id),
            let key = try await stores.keys.find(id, in: place.workspace),
            let facts = try await stores.keys.find(prefix: key.prefix)
        else { throw missing }
        let home = Target(
            Resource(tenant: place.tenant, workspace: place.workspace), subject: id.description, missing: missing)
        try await gate.authorize(.ruleRead, on: home, as: "rule.test")
        let target = if let text = question.workspace { self.target(try await workspace(named: text)) } else { home }
        if target.resource != home.resource { try await gate.authorize(.ruleRead, on: target, as: "rule.test") }
        let obstacle = facts.obstacle(at: question.at ?? now)
        return Subject(target: target, principal: obstacle == nil ? facts.principal : nil, obstacle: obstacle)
    }

    private func place(of question: AccessQuestion, missing: Problem) async throws -> Target {
        if let text = question.workspace { return target(try await workspace(named: text)) }
        return Target(
            Resource(tenant: try ownTenant("workspace")), subject: question.subject, missing: missing)
    }
}

extension KeyFacts {
    /// Why the key works for nothing.
    fileprivate func obstacle(at now: Instant) -> String? {
        if key.revoked != nil { return "The key is revoked." }
        if let expires = key.expires, now >= expires { return "The key has expired." }
        if !tenant.isActive { return "The key's tenant is \(tenant.word)." }
        if !workspace.isActive { return "The key's workspace is \(workspace.word)." }
        if key.user != nil, user?.isActive != true { return "The key's user is suspended." }
        return nil
    }
}
