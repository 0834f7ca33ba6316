import Fleet
import Inference
import Kernel
import Tenancy

/// The names of models as this process knows them: of what is deployed, and of what this machine could run.
extension ControlFlow {
    /// The models that a request with this name would reach: the one whose own name it is, else those with that alias.
    /// - Parameter environment: nil for any.
    func models(named name: String, in environment: ModelEnvironment? = nil) async -> [ModelNames] {
        let deployed = parts.registry.registry.snapshot.deployments
            .filter { environment == nil || $0.environment == environment }
        let found = Self.meant(by: name, among: deployed.map(\.names))
        // Runtimes of this machine serve production.
        guard found.isEmpty, environment ?? .production == .production else { return found }
        let runtimes = await parts.runtimes().map { ModelNames($0.model, aliases: $0.aliases) }
        return Self.meant(by: name, among: runtimes)
    }

    /// The name that prices and rows of usage have the model by.
    /// - Returns: the name itself where no model has it, as with the beginning of names and a `*`.
    /// - Throws: `VALIDATION_ERROR` for another name of several models.
    func ownName(of name: String, parameter: String) async throws -> String {
        let own = Set(await models(named: name).map(\.own)).sorted()
        guard own.count > 1 else { return own.first ?? name }
        throw Problem(
            .validationError,
            "`\(name)` is another name of several models: \(own.map { "`\($0)`" }.joined(separator: ", ")).",
            parameter: parameter, hint: "Use the own name of one of them.")
    }

    private static func meant(by name: String, among models: [ModelNames]) -> [ModelNames] {
        let own = models.filter { $0.own == name }
        return own.isEmpty ? models.filter { $0.aliases.contains(name) } : own
    }
}
