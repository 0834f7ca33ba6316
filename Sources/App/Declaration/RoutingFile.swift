package import Flows
import FoundationEssentials
import Inference
package import Kernel
import Yams

/// A file that says how a workspace's requests are routed: the fields of the API's body, in YAML or JSON.
/// docs/routing.md describes it.
package enum RoutingFile {
    private static let mostBytes = 1 << 20
    private static let description = "docs/routing.md describes the file."

    /// - Throws: `NOT_FOUND` when there is no such file; `VALIDATION_ERROR` that names every fault with its line.
    package static func read(at path: String) throws(Problem) -> NewRouting {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            let (words, isThere) = UnreadableFile.told(path)
            throw Problem(isThere ? .storageUnavailable : .notFound, words, hint: "Check the name. " + description)
        }
        guard data.count <= mostBytes, let text = String(validating: data, as: UTF8.self) else {
            throw Problem(
                .validationError, "\(path) is not UTF-8, or longer than \(ByteSize.text(mostBytes)).",
                hint: description)
        }
        return try read(text, of: path)
    }

    package static func read(_ yaml: String, of name: String) throws(Problem) -> NewRouting {
        let text = YAMLText(yaml: yaml)
        var reader = DeclarationReader(text)
        var routing = NewRouting()
        if let root = text.root.map({ DeclaredNode(node: $0, place: "") }),
            let fields = reader.fields(root, known: NewRouting.CodingKeys.allCases.map(\.rawValue))
        {
            routing = reader.routing(fields)
        }
        let faults = reader.faults.sorted()
        if let first = faults.first {
            throw Problem(
                .validationError, faults.map { "\(name):\($0.sentence)" }.joined(separator: "\n"),
                parameter: first.place, hint: description)
        }
        guard routing != NewRouting() else {
            throw Problem(.validationError, "\(name) says nothing.", parameter: "strategy", hint: description)
        }
        return routing
    }
}

extension DeclarationReader {
    /// What is read is checked by the platform too; what is told here is told with its line.
    fileprivate mutating func routing(_ fields: DeclaredFields) -> NewRouting {
        func field(_ key: NewRouting.CodingKeys) -> DeclaredNode? { fields[key.rawValue] }
        var routing = NewRouting()
        routing.strategy = choice(field(.strategy), RoutingPolicy.Strategy.self)?.rawValue
        routing.regions = items(field(.regions))?.compactMap { operatorsWord($0) }
        routing.dataPolicies = items(field(.dataPolicies))?.compactMap { operatorsWord($0) }
        routing.maxCost = text(field(.maxCost)).map(DecimalInput.init)
        routing.currency = choice(field(.currency), Currency.self)?.rawValue
        routing.maxLatencyMilliseconds = number(field(.maxLatencyMilliseconds), "milliseconds")
        routing.sticky = choice(field(.sticky), WorkspaceRouting.Sticky.self)?.rawValue
        routing.attempts = number(field(.attempts), "calls")
        routing.outputCap = number(field(.outputCap), "tokens")
        routing.priority = choice(field(.priority), RequestPriority.self)?.rawValue
        routing.hints = hints(field(.hints))
        return routing
    }

    private mutating func hints(_ value: DeclaredNode?) -> [String: String]? {
        guard let value else { return nil }
        guard let mapping = value.node.mapping else {
            complain(value, "must be a mapping, such as `llm:fa-medium: qwen-7b`")
            return nil
        }
        var hints: [String: String] = [:]
        for (key, node) in mapping {
            guard let hint = key.scalar?.string, hint.first != YAMLText.renamed else { continue }
            let place = DeclaredNode(node: node, place: "\(value.place).\(hint)")
            if ModelName(hint) == nil {
                complain(DeclaredNode(node: key, place: place.place), "is no name that a model could have")
            }
            hints[hint] = parsed(place, allowed: "a model's name") { ModelName($0)?.text }
        }
        return hints
    }
}

extension DeclarationReader {
    /// A word of the operator's own, such as a region.
    mutating func operatorsWord(_ value: DeclaredNode?) -> String? {
        parsed(value, allowed: "1 to 64 letters, digits and . _ -, beginning with a letter or digit") {
            DeploymentTerms.isWord($0) ? $0 : nil
        }
    }

    mutating func number(
        _ value: DeclaredNode?, _ what: String, in range: ClosedRange<Int> = 1...1_000_000_000
    ) -> Int? {
        parsed(value, allowed: "a number of \(what) from \(range.lowerBound) to \(range.upperBound)") {
            guard let number = Int($0), range.contains(number) else { return nil }
            return number
        }
    }
}
