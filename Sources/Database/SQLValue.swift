package import Kernel

/// A value as both engines store it.
package enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
}

/// For who writes the same value often: what it is in the database is found once.
extension SQLValue: SQLRepresentable {
    package static var sqlName: String { "a value" }
    package var sqlValue: SQLValue { self }
    package init?(sqlValue: SQLValue) { self = sqlValue }
}

/// A type that is stored in one column.
package protocol SQLRepresentable: Sendable {
    /// What is written in an error about a column that holds something else.
    static var sqlName: String { get }
    var sqlValue: SQLValue { get }
    /// Fails for a value that `sqlValue` could not have been.
    init?(sqlValue: SQLValue)
}

extension Int64: SQLRepresentable {
    package static var sqlName: String { "an integer" }
    package var sqlValue: SQLValue { .integer(self) }
    package init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self = value
    }
}

extension Int: SQLRepresentable {
    package static var sqlName: String { "an integer" }
    package var sqlValue: SQLValue { .integer(Int64(self)) }
    package init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self.init(exactly: value)
    }
}

extension Bool: SQLRepresentable {
    package static var sqlName: String { "0 or 1" }
    package var sqlValue: SQLValue { .integer(self ? 1 : 0) }
    package init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .integer(0): self = false
        case .integer(1): self = true
        default: return nil
        }
    }
}

extension Double: SQLRepresentable {
    package static var sqlName: String { "a number" }
    package var sqlValue: SQLValue { .real(self) }
    package init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .real(let value): self = value
        case .integer(let value): self = Double(value)
        case .null, .text, .blob: return nil
        }
    }
}

extension String: SQLRepresentable {
    package static var sqlName: String { "text" }
    package var sqlValue: SQLValue { .text(self) }
    package init?(sqlValue: SQLValue) {
        guard case .text(let value) = sqlValue else { return nil }
        self = value
    }
}

extension Optional: SQLRepresentable where Wrapped: SQLRepresentable {
    package static var sqlName: String { Wrapped.sqlName + " or null" }
    package var sqlValue: SQLValue { self?.sqlValue ?? .null }
    package init?(sqlValue: SQLValue) {
        if case .null = sqlValue {
            self = .none
            return
        }
        guard let value = Wrapped(sqlValue: sqlValue) else { return nil }
        self = .some(value)
    }
}

extension Instant: SQLRepresentable {
    package static var sqlName: String { "microseconds since 1970" }
    package var sqlValue: SQLValue { .integer(microseconds) }
    package init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self.init(microseconds: value)
    }
}

/// Stored as microseconds.
extension Duration: SQLRepresentable {
    package static var sqlName: String { "microseconds" }
    package var sqlValue: SQLValue { .integer(microseconds) }
    package init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self = .microseconds(value)
    }
}

extension ID: SQLRepresentable {
    package static var sqlName: String { "an identifier \(Kind.prefix)_…" }
    package var sqlValue: SQLValue { .text(description) }
    package init?(sqlValue: SQLValue) {
        guard case .text(let text) = sqlValue else { return nil }
        self.init(text)
    }
}
