// In a file without GRDB, whose own `Database` would make the name ambiguous.
import Database

extension SQLiteDatabase: Database {}

/// A row of our port; GRDB has another type of that name.
typealias ResultRow = Row
