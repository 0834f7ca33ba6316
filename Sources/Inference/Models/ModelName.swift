package import Kernel

/// The name that callers use for a model: 1 to 128 of `A-Z a-z 0-9 . _ : / @ -`, beginning with a letter or digit.
package struct ModelName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package static let maximumLength = 128

    package let text: String

    package init?(_ text: String) {
        guard (1...Self.maximumLength).contains(text.utf8.count), let first = text.utf8.first,
            Self.isAlphanumeric(first), Self.isAllowed(text)
        else { return nil }
        self.text = text
    }

    /// A name in our own code, right by inspection.
    package init(known text: StaticString) { self.text = "\(text)" }

    /// Reads a name that a person wrote.
    package init(checking text: String, parameter: String = "model") throws(Problem) {
        guard let name = ModelName(text) else {
            throw Problem(
                .validationError, "`\(parameter)` is not a model name.", parameter: parameter,
                hint: "Use 1 to 128 letters, digits and . _ : / @ -, beginning with a letter or digit.")
        }
        self = name
    }

    package var description: String { text }

    /// `model@version`; nil where that is too long for a name.
    package func at(version: String) -> ModelName? { ModelName("\(text)@\(version)") }

    package static func < (left: ModelName, right: ModelName) -> Bool { left.text < right.text }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }

    /// Where the bytes lie, since every request has a name.
    private static func isAllowed(_ text: String) -> Bool {
        text.utf8.withContiguousStorageIfAvailable { $0.allSatisfy(isAllowed) } ?? text.utf8.allSatisfy(isAllowed)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        // `-./`, digits and `:`; `@` and letters; `_`; letters.
        case 0x2D...0x3A, 0x40...0x5A, 0x5F, 0x61...0x7A: true
        default: false
        }
    }
}

extension ModelName: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let name = ModelName(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a model name")
        }
        self = name
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
