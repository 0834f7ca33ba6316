/// A version of this program: `1.4.0`.
package struct BinaryVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let major, minor, patch: Int

    package init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Reads `1.4.0`; what follows a `-` or `+` is not part of the order and is dropped.
    package init?(_ text: some StringProtocol) {
        let core = text.prefix { $0 != "-" && $0 != "+" }
        let parts = core.split(separator: ".", omittingEmptySubsequences: false).map { UInt16($0) }
        guard parts.count == 3, let major = parts[0], let minor = parts[1], let patch = parts[2] else { return nil }
        self.init(Int(major), Int(minor), Int(patch))
    }

    package var description: String { "\(major).\(minor).\(patch)" }

    package static func < (left: BinaryVersion, right: BinaryVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }
}
