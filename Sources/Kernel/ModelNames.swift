/// Every name under which a model answers. What is allowed, limited or counted by a model's name means the model,
/// whichever of its names a caller writes: else another name would be a way around a wall.
package struct ModelNames: Sendable, Hashable {
    package let own: String
    package let aliases: [String]

    package init(_ own: String, aliases: [String] = []) {
        self.own = own
        self.aliases = aliases
    }

    /// - Parameter pattern: a name, or the beginning of names and a `*`.
    package func match(_ pattern: String) -> Bool {
        guard pattern.hasSuffix("*") else { return contains { $0 == pattern } }
        let beginning = pattern.dropLast()
        return contains { $0.hasPrefix(beginning) }
    }

    package func contains(where holds: (String) -> Bool) -> Bool { holds(own) || aliases.contains(where: holds) }
}
