package import Database

/// The version of this binary.
package enum Version {
    package static let text = "0.1.0"
    package static let binary = BinaryVersion(0, 1, 0)
}
