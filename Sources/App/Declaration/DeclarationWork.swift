import Cryptography
package import Flows
package import Kernel

/// A declaration against a platform: compares, and applies.
package struct DeclarationWork: Sendable {
    private let declaration: Declaration
    private let keys: DeclaredKeys
    private let memory: KeyMemory

    /// - Parameters:
    ///   - environment: where `key_env` looks.
    ///   - folder: where it is remembered which keys were put.
    /// - Throws: `CONFIGURATION_INVALID` that names every fault of the file.
    package init(
        _ file: DeclarationFile, environment: [String: String], folder: DataFolder, random: any RandomSource
    ) throws(Problem) {
        declaration = try file.checked()
        keys = DeclaredKeys.read(
            declaration.providers ?? [], folder: file.folder, environment: environment)
        memory = KeyMemory(folder, hasher: Argon2Hasher(random: random))
    }

    /// What applying would do.
    /// - Throws: `VALIDATION_ERROR` for what cannot be had, `CONFIGURATION_INVALID` for a key that cannot be read, what
    ///   `Control` throws.
    package func plan(on control: any Control, prunes: Bool) async throws -> DeclarationPlan {
        try await compare(control, prunes: prunes).plan
    }

    /// Does it, step by step, and stops at the first that fails.
    /// - Parameter told: called after each step.
    /// - Returns: what was done.
    /// - Throws: as `plan`, before anything was done; a step's `Problem`, which says in its message how far it came.
    package func apply(
        on control: any Control, prunes: Bool, told: (DeclarationStep) throws -> Void = { _ in }
    ) async throws -> [DeclarationStep] {
        let (plan, state) = try await compare(control, prunes: prunes)
        var application = DeclarationApplication(state, keys: keys.keys, memory: memory, control: control)
        for (index, step) in plan.steps.enumerated() {
            do {
                try await application.perform(step)
            } catch let problem as Problem {
                throw Self.stopped(at: step, index, of: plan.steps.count, problem)
            }
            try told(step)
        }
        return plan.steps
    }

    private func compare(
        _ control: any Control, prunes: Bool
    ) async throws -> (plan: DeclarationPlan, state: DeclarationState) {
        let keys = try keys.checked()
        let state = try await DeclarationState(for: declaration, from: control)
        var changed: Set<String> = []
        for provider in state.providers {
            guard let key = keys[provider.name] else { continue }
            let isKnown = try await memory.knows(key, of: provider.name, stored: provider.keyStored)
            if !isKnown { changed.insert(provider.name) }
        }
        let plan = try DeclarationPlan(declaration, state, changedKeys: changed, prunes: prunes).checked()
        return (plan, state)
    }

    private static func stopped(
        at step: DeclarationStep, _ index: Int, of count: Int, _ problem: Problem
    ) -> Problem {
        Problem(
            problem.code,
            "Step \(index + 1) of \(count) failed (\(step.text)): \(problem.message) \(index) done, "
                + "\(count - index) not.",
            parameter: problem.parameter, hint: problem.hint, retryAfter: problem.retryAfter)
    }
}
