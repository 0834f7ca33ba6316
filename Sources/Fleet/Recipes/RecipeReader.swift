import Kernel

/// Reads one map of a recipe key by key. A refusal names the file, the line, the key, the value and what is allowed.
struct RecipeReader {
    let file: String
    /// Dotted path of the map inside the document; empty for the document itself.
    let path: String
    let node: RecipeNode
    private let entries: [RecipeNode.Entry]

    init(file: String, path: String, node: RecipeNode, keys: [String]) throws(Problem) {
        self.file = file
        self.path = path
        self.node = node
        guard case .map(let entries) = node.content else {
            throw RecipeReader.problem(file, node, path.isEmpty ? "the document" : path, "a map of keys to values")
        }
        self.entries = entries
        for entry in entries where !keys.contains(entry.key) {
            throw Problem(
                .configurationInvalid,
                "\(file) line \(entry.node.line): `\(self.key(entry.key))` is not a key of a recipe.",
                parameter: self.key(entry.key), hint: "Allowed here: \(keys.joined(separator: ", ")).")
        }
    }

    static func problem(_ file: String, _ node: RecipeNode, _ key: String, _ allowed: String) -> Problem {
        Problem(
            .configurationInvalid, "\(file) line \(node.line): \(key) is \(node.shown); it must be \(allowed).",
            parameter: key, hint: "Correct the recipe, then start again.")
    }

    func key(_ name: String) -> String { path.isEmpty ? name : path + "." + name }

    func refuse(_ name: String, _ node: RecipeNode, _ allowed: String) -> Problem {
        RecipeReader.problem(file, node, key(name), allowed)
    }

    func optional(_ name: String) -> RecipeNode? {
        guard let entry = entries.first(where: { $0.key == name }), entry.node.content != .empty else { return nil }
        return entry.node
    }

    func required(_ name: String) throws(Problem) -> RecipeNode {
        if let node = optional(name) { return node }
        throw Problem(
            .configurationInvalid, "\(file) line \(node.line): `\(key(name))` is missing.", parameter: key(name),
            hint: "Add it to the recipe; runtimes/smollm2.yaml is an example with most keys.")
    }

    func map(_ name: String, keys: [String]) throws(Problem) -> RecipeReader {
        try RecipeReader(file: file, path: key(name), node: required(name), keys: keys)
    }

    func optionalMap(_ name: String, keys: [String]) throws(Problem) -> RecipeReader? {
        guard let node = optional(name) else { return nil }
        return try RecipeReader(file: file, path: key(name), node: node, keys: keys)
    }

    // MARK: Scalars

    func text(_ name: String, or usual: String? = nil) throws(Problem) -> String {
        if let usual, optional(name) == nil { return usual }
        return try text(name, required(name))
    }

    func text(_ name: String, _ node: RecipeNode) throws(Problem) -> String {
        guard case .scalar(let text) = node.content, !text.isEmpty else {
            throw refuse(name, node, "a text that is not empty")
        }
        return text
    }

    func text(
        _ name: String, or usual: String? = nil, _ allowed: String, where accepts: (String) -> Bool
    ) throws(Problem) -> String {
        let text = try text(name, or: usual)
        guard accepts(text) else { throw refuse(name, try required(name), allowed) }
        return text
    }

    func integer(_ name: String, in range: ClosedRange<Int>, or usual: Int? = nil) throws(Problem) -> Int {
        if let usual, optional(name) == nil { return usual }
        let node = try required(name)
        guard case .scalar(let text) = node.content, let number = Int(text), range.contains(number) else {
            throw refuse(name, node, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func duration(_ name: String, in range: ClosedRange<Duration>, or usual: Duration) throws(Problem) -> Duration {
        guard let node = optional(name) else { return usual }
        guard case .scalar(let text) = node.content, let duration = Duration(recipeText: text),
            range.contains(duration)
        else {
            let low = range.lowerBound.recipeText
            let high = range.upperBound.recipeText
            throw refuse(name, node, "a time from \(low) to \(high), such as 500ms, 5s or 2m")
        }
        return duration
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, of type: Choice.Type, or usual: Choice? = nil
    ) throws(Problem) -> Choice where Choice.RawValue == String {
        if let usual, optional(name) == nil { return usual }
        let node = try required(name)
        guard case .scalar(let text) = node.content, let choice = Choice(rawValue: text) else {
            throw refuse(name, node, "one of " + type.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    // MARK: Collections

    func list(_ name: String) throws(Problem) -> [RecipeNode] {
        guard let node = optional(name) else { return [] }
        guard case .list(let nodes) = node.content else { throw refuse(name, node, "a list") }
        return nodes
    }

    func texts(_ name: String) throws(Problem) -> [String] {
        var texts: [String] = []
        for node in try list(name) { texts.append(try text(name, node)) }
        return texts
    }

    /// A map whose keys are free.
    func pairs(_ name: String) throws(Problem) -> [RecipeNode.Entry] {
        guard let node = optional(name) else { return [] }
        guard case .map(let entries) = node.content else { throw refuse(name, node, "a map") }
        return entries
    }
}

extension Duration {
    /// Reads `500ms`, `5s`, `2m`, `1h`: a whole number and a unit.
    init?(recipeText text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), number <= 1_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": self = .milliseconds(number)
        case "s": self = .seconds(number)
        case "m": self = .seconds(number * 60)
        case "h": self = .seconds(number * 3600)
        default: return nil
        }
    }

    var recipeText: String {
        let milliseconds = microseconds / 1000
        if milliseconds % 1000 != 0 { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1000
        if seconds % 3600 == 0, seconds > 0 { return "\(seconds / 3600)h" }
        return seconds % 60 == 0 && seconds > 0 ? "\(seconds / 60)m" : "\(seconds)s"
    }
}
