/// Text that must never be printed, logged or encoded. The only way to its content is `reveal()`,
/// which a reviewer can search for.
public struct Secret: Sendable, Equatable {
    private let text: String

    public init(_ text: String) { self.text = text }

    public func reveal() -> String { text }

    /// Compares every byte, so that the time it takes tells nothing about where two secrets differ.
    public static func == (left: Secret, right: Secret) -> Bool {
        constantTimeEqual(left.text.utf8, right.text.utf8)
    }
}

/// - Returns: whether both hold the same bytes, in time that depends on their lengths only.
public func constantTimeEqual(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for (a, b) in zip(left, right) { difference |= a ^ b }
    return difference == 0
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
