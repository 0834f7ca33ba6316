/// What an operator says of a deployment to those who choose among several.
package struct DeploymentTerms: Sendable, Hashable {
    package static let weights = 0...1_000_000
    package static let priorities = 0...1000
    package static let usualWeight = 100
    /// Of the first token.
    package static let promises = Duration.milliseconds(1)...Duration.seconds(3600)

    /// The build that it serves, as `model@version` names it; nil where versions are not told apart.
    package var version: String?
    /// Its share among equals. 0 gets nothing by chance, and stands in for others that fail.
    package var weight = DeploymentTerms.usualWeight
    /// The smaller, the earlier.
    package var priority = 0
    /// Where it is, in the operator's own words: `eu-west`.
    package var region: String?
    /// What it promises of the data that it sees, in the operator's own words: `no-training`, `zero-retention`.
    package var dataPolicies: Set<String> = []
    /// The time to the first token that its operator promises.
    package var promisedFirstToken: Duration?
    /// How many requests of one node it answers at once; nil for any number.
    package var concurrency: Concurrency?
    package var isEnabled = true

    package enum Concurrency: Sendable, Hashable {
        case fixed(Int)
        /// As many as it takes without becoming slower, and never more than this.
        case adaptive(most: Int)

        package var most: Int {
            switch self {
            case .fixed(let most), .adaptive(let most): most
            }
        }
    }

    package init() {}

    /// Whether an operator's own word can stand in a list of such words: 1 to 64 letters, digits and `. _ -`, beginning
    /// with a letter or digit.
    package static func isWord(_ text: String) -> Bool {
        guard (1...64).contains(text.utf8.count), let first = text.utf8.first, isAlphanumeric(first) else {
            return false
        }
        return text.utf8.allSatisfy { isAlphanumeric($0) || "._-".utf8.contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }
}

/// `8`, or `adaptive:8`.
extension DeploymentTerms.Concurrency: CustomStringConvertible {
    package static let allowed = 1...100_000
    private static let adaptive = "adaptive:"

    package init?(_ text: String) {
        let isAdaptive = text.hasPrefix(Self.adaptive)
        let digits = isAdaptive ? text.dropFirst(Self.adaptive.count) : text[...]
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let most = Int(digits),
            Self.allowed.contains(most)
        else { return nil }
        self = isAdaptive ? .adaptive(most: most) : .fixed(most)
    }

    package var description: String {
        switch self {
        case .fixed(let most): "\(most)"
        case .adaptive(let most): "\(Self.adaptive)\(most)"
        }
    }
}
