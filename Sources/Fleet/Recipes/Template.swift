/// Text with `{placeholders}`, checked when it is parsed: filling it in cannot fail.
package struct Template: Sendable, Equatable {
    package enum Placeholder: String, Sendable, CaseIterable {
        /// Path of the model's first file.
        case model
        /// The folder that holds the model's files.
        case folder
        /// The folder that holds the workers built into the binary.
        case workers
        /// The Python interpreter with the recipe's packages.
        case python
        case host, port, threads, context, parallel
        /// The name that the runtime is to know the model by.
        case name
    }

    package enum Part: Sendable, Equatable {
        case text(String)
        case placeholder(Placeholder)
    }

    package struct UnknownPlaceholder: Error, Equatable {
        package let name: String

        package init(name: String) { self.name = name }
    }

    package let parts: [Part]

    /// `{word}` of lower-case letters is a placeholder and must be a known one; any other brace is text, so that JSON
    /// may stand in an argument.
    package init(_ text: String) throws(UnknownPlaceholder) {
        var parts: [Part] = []
        var literal = ""
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            literal += rest[..<open]
            let after = rest[rest.index(after: open)...]
            let word = after.prefix { $0.isLowercase || $0 == "_" }
            guard !word.isEmpty, after[word.endIndex...].first == "}" else {
                literal.append("{")
                rest = after
                continue
            }
            guard let placeholder = Placeholder(rawValue: String(word)) else {
                throw UnknownPlaceholder(name: String(word))
            }
            if !literal.isEmpty { parts.append(.text(literal)) }
            literal = ""
            parts.append(.placeholder(placeholder))
            rest = after[word.endIndex...].dropFirst()
        }
        literal += rest
        if !literal.isEmpty { parts.append(.text(literal)) }
        self.parts = parts
    }

    package func filled(_ value: (Placeholder) -> String) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .placeholder(let placeholder): value(placeholder)
            }
        }.joined()
    }
}
