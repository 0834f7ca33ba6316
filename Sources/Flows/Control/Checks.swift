import Inference
import Kernel
import Tenancy

/// What people write into requests, checked. Every refusal is a `VALIDATION_ERROR` that names the field.
enum Checks {
    static let longestName = 100

    /// A name for people: printable, and not the text of an identifier, which would be taken for one.
    static func name(_ name: String, of what: String, parameter: String = "name") throws(Problem) -> String {
        let isPrintable = name.unicodeScalars.allSatisfy { !$0.properties.generalCategory.isControl }
        guard !name.allSatisfy(\.isWhitespace), name.count <= longestName, isPrintable, name.utf8.count <= 400 else {
            throw Problem(
                .validationError, "`\(parameter)` is not usable as \(what)'s name.", parameter: parameter,
                hint: "Use 1 to \(longestName) characters that can be printed.")
        }
        let head = name.prefix { $0 != "_" }
        guard !identifiers.contains(String(head)) || ULID(name.dropFirst(head.count + 1)) == nil else {
            throw Problem(
                .validationError, "`\(parameter)` has the form of an identifier.", parameter: parameter,
                hint: "Choose a name that cannot be taken for one.")
        }
        return name
    }

    /// Whether anything could have this name: what could not is not looked up, since not every database takes it.
    static func couldBeName(_ text: String) -> Bool { (1...400).contains(text.utf8.count) && !text.utf8.contains(0) }

    private static let identifiers: Set<String> = [
        TenantKind.prefix, WorkspaceKind.prefix, UserKind.prefix, MemberKind.prefix, KeyKind.prefix, RuleKind.prefix,
        ProviderKind.prefix,
    ]

    static func oneOf<Value: RawRepresentable & CaseIterable>(
        _ type: Value.Type, _ text: String, parameter: String
    ) throws(Problem) -> Value where Value.RawValue == String {
        guard let value = Value(rawValue: text) else {
            throw unknown(parameter, text, allowed: Value.allCases.map(\.rawValue))
        }
        return value
    }

    /// In capitals or not: other platforms write `usd`.
    static func currency(_ text: String, parameter: String) throws(Problem) -> Currency {
        try oneOf(Currency.self, text.utf8.count == 3 ? text.uppercased() : text, parameter: parameter)
    }

    static func unknown(_ parameter: String, _ value: String, allowed: [String]) -> Problem {
        Problem(
            .validationError, "`\(parameter)` is `\(InferenceFlow.printable(value))`, which is not known.",
            parameter: parameter, hint: "Allowed: \(allowed.joined(separator: ", ")).")
    }

    static func addresses(_ texts: [String]?) throws(Problem) -> [AddressRange] {
        let texts = try few(texts, "addresses")
        var ranges: [AddressRange] = []
        for (index, text) in texts.enumerated() {
            guard let range = AddressRange(text) else {
                throw Problem(
                    .validationError, "`addresses[\(index)]` is not a block of addresses.",
                    parameter: "addresses[\(index)]",
                    hint: "Write 10.0.0.0/8 or 2001:db8::/32, without bits behind the prefix, or a single address.")
            }
            ranges.append(range)
        }
        return ranges
    }

    /// The most that a list in a request may have.
    static let mostItems = 100

    static func few(_ items: [String]?, _ parameter: String) throws(Problem) -> [String] {
        let items = items ?? []
        guard items.count <= mostItems else {
            throw Problem(
                .validationError, "`\(parameter)` has more than \(mostItems) items.", parameter: parameter,
                hint: "Sum several up with a prefix or a range.")
        }
        return items
    }

    static func number(
        _ number: Int, _ parameter: String, in range: ClosedRange<Int>, hint: String
    ) throws(Problem) -> Int {
        guard range.contains(number) else {
            throw Problem(
                .validationError,
                "`\(parameter)` must be between \(range.lowerBound) and \(range.upperBound), not \(number).",
                parameter: parameter, hint: hint)
        }
        return number
    }

    /// A word of the operator's own, such as a region.
    static func word(_ text: String, _ parameter: String) throws(Problem) -> String {
        guard DeploymentTerms.isWord(text) else {
            throw Problem(
                .validationError, "`\(parameter)` is not usable.", parameter: parameter,
                hint: "Use 1 to 64 letters, digits and . _ -, beginning with a letter or digit.")
        }
        return text
    }

    static func words(_ texts: [String], _ parameter: String) throws(Problem) -> Set<String> {
        var words: Set<String> = []
        for (index, text) in try few(texts, parameter).enumerated() {
            words.insert(try word(text, "\(parameter)[\(index)]"))
        }
        return words
    }

    static func seconds(
        _ number: Int?, _ parameter: String, in range: ClosedRange<Int>, usual: Int
    ) throws(Problem) -> Duration {
        let number = number ?? usual
        guard range.contains(number) else {
            throw Problem(
                .validationError,
                "`\(parameter)` must be between \(range.lowerBound) and \(range.upperBound), not \(number).",
                parameter: parameter, hint: "Leave it out for \(usual) seconds.")
        }
        return .seconds(number)
    }
}

extension Unicode.GeneralCategory {
    fileprivate var isControl: Bool {
        switch self {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
        default: false
        }
    }
}
