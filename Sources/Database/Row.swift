/// One row of a result. A column that is missing or holds another type is a `DatabaseFailure`, never a default.
package struct Row: Sendable {
    private let columns: [String]
    private let values: [SQLValue]

    /// - Parameter columns: the result's column names, one for each value.
    package init(columns: [String], values: [SQLValue]) {
        self.columns = columns
        self.values = values
    }

    package func value<T: SQLRepresentable>(_ column: String, as type: T.Type = T.self) throws(DatabaseFailure) -> T {
        guard let index = columns.firstIndex(of: column), index < values.count else {
            throw .statement("the result has no column \(column)")
        }
        guard let value = T(sqlValue: values[index]) else {
            throw .corrupt("column \(column) does not hold \(T.sqlName)")
        }
        return value
    }

    /// The case of an enumeration that is stored by its text.
    package func value<T: RawRepresentable>(
        _ column: String, as type: T.Type = T.self
    ) throws(DatabaseFailure) -> T where T.RawValue == String {
        guard let value = T(rawValue: try value(column, as: String.self)) else {
            throw .corrupt("column \(column) holds no known \(T.self)")
        }
        return value
    }
}
