import Flows
package import Kernel

/// The steps from what is on the platform to what a file declares, in an order that works: what others refer to comes
/// first, removing comes after adding, and suspending last, since a suspended thing may not be changed any more.
package struct DeclarationPlan: Sendable, Encodable {
    package static let defaultName = "default"

    package private(set) var steps: [DeclarationStep] = []
    /// What the file asks for and cannot have.
    package private(set) var conflicts: [String] = []

    private enum CodingKeys: String, CodingKey { case steps = "changes", conflicts }

    /// - Parameters:
    ///   - changedKeys: providers whose key is not known to be the stored one.
    ///   - prunes: whether what the file does not have goes, of the kinds that it has a list of. Keys never go, and
    ///     neither do the default tenant and its default workspace.
    init(_ declaration: Declaration, _ state: DeclarationState, changedKeys: Set<String>, prunes: Bool) {
        var planner = DeclarationPlanner(state: state, prunes: prunes)
        for tenant in declaration.tenants ?? [] { planner.plan(tenant) }
        planner.plan(providers: declaration.providers, changedKeys: changedKeys)
        planner.plan(deployments: declaration.deployments, providers: declaration.providers)
        if prunes, let providers = declaration.providers { planner.pruneProviders(except: providers) }
        if prunes, let tenants = declaration.tenants { planner.pruneTenants(except: tenants.map(\.name)) }
        steps = planner.steps
        conflicts = planner.conflicts
    }

    /// - Throws: `VALIDATION_ERROR` that names every conflict.
    package func checked() throws(Problem) -> DeclarationPlan {
        guard !conflicts.isEmpty else { return self }
        throw Problem(
            .validationError, conflicts.joined(separator: "\n"),
            hint: "Mend the file; nothing of it was done.")
    }
}

/// Compares. Pure.
struct DeclarationPlanner {
    typealias Step = DeclarationStep

    let state: DeclarationState
    let prunes: Bool
    private var additions: [Step] = []
    private var removals: [Step] = []
    private var suspensions: [Step] = []
    private(set) var conflicts: [String] = []

    init(state: DeclarationState, prunes: Bool) {
        self.state = state
        self.prunes = prunes
    }

    var steps: [Step] { additions + removals + suspensions }

    mutating func add(_ step: Step) { additions.append(step) }
    mutating func remove(_ step: Step) { removals.append(step) }
    mutating func suspend(_ step: Step) { suspensions.append(step) }
    mutating func conflict(_ complaint: String) { conflicts.append(complaint) }

    /// What has to become different for a thing to have the declared state. A file that says nothing of it leaves
    /// suspended what is suspended.
    mutating func planState(
        _ declared: DeclaredState?, from actual: String, _ step: (String, [Step.Detail]) -> Step
    ) {
        func plan(_ before: String, _ after: String) {
            guard before != after else { return }
            let change = step(after, [.init(name: "state", before: before, after: after)])
            after == DeclaredState.active.rawValue ? add(change) : suspend(change)
        }
        guard actual == "deleted" else { return plan(actual, declared?.rawValue ?? actual) }
        // What is declared is to be there. What is deleted cannot be suspended before it is restored.
        plan(actual, DeclaredState.active.rawValue)
        plan(DeclaredState.active.rawValue, declared?.rawValue ?? DeclaredState.active.rawValue)
    }

    mutating func pruneTenants(except names: [String]) {
        for tenant in state.tenants.sorted(by: { $0.name < $1.name })
        where !names.contains(tenant.name) && tenant.name != DeclarationPlan.defaultName && tenant.state != "deleted" {
            remove(
                Step(
                    change: .remove, kind: "tenant", name: tenant.name, details: [], tenant: tenant.name,
                    action: .deleteTenant))
        }
    }
}
