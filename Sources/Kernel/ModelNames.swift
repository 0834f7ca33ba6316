/// Every name under which a model answers. What is allowed, limited or counted by a model's name means the model,
/// whichever of its names a caller writes: else another name would be a way around a wall.
public struct ModelNames: Sendable, Hashable {
    public let own: String
    public let aliases: [String]

    public init(_ own: String, aliases: [String] = []) {
        self.own = own
        self.aliases = aliases
    }

    /// - Parameter pattern: a name, or the beginning of names and a `*`.
    public func match(_ pattern: String) -> Bool {
        guard pattern.hasSuffix("*") else { return contains { $0 == pattern } }
        let beginning = pattern.dropLast()
        return contains { $0.hasPrefix(beginning) }
    }

    public func contains(where holds: (String) -> Bool) -> Bool { holds(own) || aliases.contains(where: holds) }
}
