/// One thing, with a line for each of its properties. Pure text.
enum Facts {
    /// - Parameter facts: what is nil or empty is left out.
    static func text(_ facts: [(name: String, value: String?)]) -> String {
        let shown = facts.compactMap { fact in
            fact.value.flatMap { $0.isEmpty ? nil : (name: fact.name, value: Terminal.printable($0)) }
        }
        let width = shown.map(\.name.count).max() ?? 0
        return shown.map { fact in
            fact.name + String(repeating: " ", count: width - fact.name.count) + "  \(fact.value)\n"
        }.joined()
    }
}
