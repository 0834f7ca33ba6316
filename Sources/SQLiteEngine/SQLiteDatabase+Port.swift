// In a file without GRDB, whose own `Database` would make the name ambiguous.
package import Database

extension SQLiteDatabase: Database {}

/// A row of our port; GRDB has another type of that name.
package typealias ResultRow = Row
