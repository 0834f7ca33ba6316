/// Where a model version is used. A model service is unique by model and environment, and a key reaches one of them.
public enum ModelEnvironment: String, Sendable, Codable, CaseIterable {
    case development, staging, production
}
