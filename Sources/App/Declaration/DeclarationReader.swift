import Yams

/// A value of the file, and the way to it.
struct DeclaredNode {
    let node: Node
    /// `tenants[0].name`.
    let place: String
}

/// The members of one mapping, by name.
struct DeclaredFields {
    let owner: DeclaredNode
    let nodes: [String: Node]

    func has(_ key: String) -> Bool { nodes[key] != nil }

    subscript(_ key: String) -> DeclaredNode? {
        nodes[key].map { DeclaredNode(node: $0, place: owner.place.isEmpty ? key : "\(owner.place).\(key)") }
    }
}

/// Reads values of the file. Notes what is wrong, and goes on with nothing in its place.
struct DeclarationReader {
    private static let longestShown = 80
    /// What a fault of no place in particular is about.
    private static let whole = "the file"

    private(set) var faults: [DeclarationFault]

    init(_ text: YAMLText) {
        faults = text.faults.map {
            DeclarationFault(
                line: $0.line, column: $0.column, place: $0.key.map { String($0.prefix(100)) } ?? Self.whole,
                complaint: $0.complaint)
        }
    }

    mutating func complain(_ value: DeclaredNode, _ complaint: String) {
        let mark = value.node.mark
        faults.append(
            DeclarationFault(
                line: mark?.line ?? 1, column: mark?.column ?? 1, place: value.place.isEmpty ? Self.whole : value.place,
                complaint: complaint))
    }

    /// - Parameters:
    ///   - known: what the mapping may have.
    ///   - required: what it must have.
    mutating func fields(
        _ value: DeclaredNode, known: [String], required: [String] = []
    ) -> DeclaredFields? {
        guard let mapping = value.node.mapping else {
            complain(value, "must be a mapping" + (required.first.map { ", such as `\($0): …`" } ?? ""))
            return nil
        }
        var nodes: [String: Node] = [:]
        for (key, node) in mapping {
            guard let name = key.scalar?.string else {
                complain(DeclaredNode(node: key, place: value.place), "has a key that is not text")
                continue
            }
            // Told already, as one that is given twice.
            if name.first == YAMLText.renamed { continue }
            guard known.contains(name) else {
                let shown = String(name.prefix(Self.longestShown))
                let path = value.place.isEmpty ? shown : "\(value.place).\(shown)"
                complain(
                    DeclaredNode(node: key, place: path), "is not known" + Self.suggestion(for: name, among: known))
                continue
            }
            nodes[name] = node
        }
        for name in required where nodes[name] == nil { complain(value, "has no `\(name)`") }
        return DeclaredFields(owner: value, nodes: nodes)
    }

    /// The items of a list; nil where there is no such member, or it is no list. `name:` alone is an empty list.
    mutating func items(_ value: DeclaredNode?, most: Int? = nil) -> [DeclaredNode]? {
        guard let value else { return nil }
        if Self.isNull(value.node) { return [] }
        guard let sequence = value.node.sequence else {
            complain(value, "must be a list")
            return nil
        }
        if let most, sequence.count > most { complain(value, "has \(sequence.count) items; \(most) are allowed") }
        return sequence.enumerated().map { DeclaredNode(node: $1, place: "\(value.place)[\($0)]") }
    }

    mutating func text(_ value: DeclaredNode?) -> String? {
        guard let value else { return nil }
        guard let scalar = value.node.scalar, !Self.isNull(value.node) else {
            complain(value, "must be text")
            return nil
        }
        return scalar.string
    }

    /// Text that `parse` makes something of.
    /// - Parameters:
    ///   - allowed: completes "allowed: …".
    ///   - isShown: whether a value that is not allowed may be repeated.
    mutating func parsed<Value>(
        _ value: DeclaredNode?, allowed: String, isShown: Bool = true, _ parse: (String) -> Value?
    ) -> Value? {
        guard let value, let text = text(value) else { return nil }
        guard let read = parse(text) else {
            let shown = isShown ? "is `\(SettingsReader.withoutPassword(text))`, which is not" : "is not"
            complain(value, "\(shown) allowed; allowed: \(allowed)")
            return nil
        }
        return read
    }

    mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ value: DeclaredNode?, _ type: Value.Type = Value.self
    ) -> Value? where Value.RawValue == String {
        choice(value, among: Array(Value.allCases))
    }

    mutating func choice<Value: RawRepresentable>(
        _ value: DeclaredNode?, among known: [Value]
    ) -> Value? where Value.RawValue == String {
        guard let value, let text = text(value) else { return nil }
        if let found = known.first(where: { $0.rawValue == text }) { return found }
        let names = known.map(\.rawValue)
        complain(
            value,
            "is `\(text.prefix(Self.longestShown))`, which is not known"
                + "; allowed: " + names.joined(separator: ", ") + Self.suggestion(for: text, among: names))
        return nil
    }

    /// A name of somebody's own: 1 to 100 characters that can be printed.
    mutating func name(_ value: DeclaredNode?) -> String? {
        parsed(value, allowed: "1 to \(Self.longestName) characters that can be printed") { text in
            let isPrintable = text.unicodeScalars.allSatisfy {
                switch $0.properties.generalCategory {
                case .control, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
                default: true
                }
            }
            let isUsable = !text.allSatisfy(\.isWhitespace) && text.count <= Self.longestName && text.utf8.count <= 400
            return isUsable && isPrintable ? text : nil
        }
    }

    /// Notes every value of `values` that `key` makes the same of as of an earlier one.
    mutating func refuseRepeats(
        _ values: [(node: DeclaredNode, key: String)], complaint: (String) -> String
    ) {
        var seen: Set<String> = []
        for value in values where !seen.insert(value.key).inserted { complain(value.node, complaint(value.key)) }
    }

    static func suggestion(for text: String, among known: [String]) -> String {
        Suggestion.closest(to: text, among: known).map { "; did you mean `\($0)`?" } ?? ""
    }

    private static let longestName = 100

    private static func isNull(_ node: Node) -> Bool {
        guard let scalar = node.scalar, scalar.style == .plain else { return false }
        return ["", "~", "null"].contains(scalar.string)
    }
}
