import Database
import Kernel
import TestKit
import Testing

/// What the engines promise about single statements: values, counts, failures.
@Suite struct StatementContract {
    @Test("values of every kind come back as they went in", arguments: DatabaseAdapter.available)
    func values(adapter: DatabaseAdapter) async throws {
        let values: [(SQLValue, SQLValue, SQLValue, SQLValue)] = [
            (.null, .null, .null, .null), (.integer(0), .real(0), .text(""), .blob([])),
            (
                .integer(.max), .real(.greatestFiniteMagnitude), .text("سلام, 🦢 e\u{301} \u{1}\t\n\\x'\"$1"), .blob([0])
            ),
            (.integer(.min), .real(.leastNonzeroMagnitude), .text("\\x00"), .blob(Array(0...255))),
            (.integer(-1), .real(-0.1), .text("NULL"), .blob(Array("text".utf8))),
            (.integer(1 << 53 + 1), .real(1e-300), .text(String(repeating: "ß", count: 100_000)), .null),
            (.null, .real(0.1 + 0.2), .null, .blob([UInt8](repeating: 0xAB, count: 1_000_000))),
        ]
        try await adapter.withDatabase { test in
            try await test.create(
                "CREATE TABLE kind (id {int64} PRIMARY KEY, i {int64}, r {real}, t TEXT, b {blob}) {strict}")
            for (id, value) in values.enumerated() {
                let arguments = [value.0, value.1, value.2, value.3].map(Stored.init)
                try await test.database.write(.system) { tx in
                    try tx.run("INSERT INTO kind VALUES ($1, $2, $3, $4, $5)", [id] + arguments)
                }
                let row = try #require(
                    try await test.database.execute(.system, "SELECT * FROM kind WHERE id = $1", [id]).first)
                let found = try ["i", "r", "t", "b"].map { name in try row.value(name, as: Stored.self).sqlValue }
                #expect(found == arguments.map(\.sqlValue), "row \(id)")
            }
        }
    }

    @Test("a block of any number of rows is written as its values are one by one", arguments: DatabaseAdapter.available)
    func blocks(adapter: DatabaseAdapter) async throws {
        let adding = RowsStatement(
            "INSERT INTO kind (id, i, t, b, at, key)", columns: 6, " ON CONFLICT (id) DO NOTHING")
        let samples = Samples(seed: 5)
        let keys: [KeyID] = [samples.ids.next(), samples.ids.next()]
        let texts = [nil, "", "سلام, 🦢 \u{1}\n'$1", String(repeating: "ß", count: 5000)]
        let blobs: [[UInt8]] = [[], [0], Array(0...255)]
        try await adapter.withDatabase { test in
            try await test.create(
                """
                CREATE TABLE kind (id {int64} PRIMARY KEY, i {int64}, t TEXT, b {blob}, at {int64}, key TEXT) {strict}
                """)
            var first = 0
            for count in [0, 1, 9, 10, 11, 50, 61, 127] {
                var rows = RowBlock(columns: 6, rows: 2)
                var expected: [[SQLValue]] = []
                for place in 0..<count {
                    let number: Int64? = place % 3 == 0 ? nil : .min + Int64(place)
                    let key = place % 5 == 0 ? nil : keys[place / 2 % 2]
                    let kept = rows.keep(key)
                    // Runs of equal values, beside others that change: an engine may keep what stays the same.
                    let text = place < 60 ? texts[place % 4] : texts[place / 55 % 4]
                    rows.add(first + place)
                    rows.add(number)
                    rows.add(text)
                    rows.add(blobs[place % 3])
                    rows.add(Instant(microseconds: Int64(place)))
                    if place % 2 == 0 { rows.add(kept) } else { rows.add(key) }
                    expected.append([
                        (first + place).sqlValue, number.sqlValue, text.sqlValue, .blob(blobs[place % 3]),
                        .integer(Int64(place)), key.sqlValue,
                    ])
                }
                #expect(rows.count == count)
                let added = try await test.database.write(.system) { [rows] tx in
                    (try tx.run(adding, rows), try tx.run(adding, rows))
                }
                #expect(added == (count, 0))
                let found = try await test.database.execute(
                    .system, "SELECT * FROM kind WHERE id >= $1 ORDER BY id", [first])
                let values = try found.map { row in
                    try ["id", "i", "t", "b", "at", "key"].map { try row.value($0, as: Stored.self).sqlValue }
                }
                #expect(values == expected, "\(count) rows")
                first += count
            }
        }
    }

    private struct Stored: SQLRepresentable {
        static var sqlName: String { "a value" }
        let sqlValue: SQLValue
        init(sqlValue: SQLValue) { self.sqlValue = sqlValue }
    }

    @Test(
        "an argument is of its own kind, wherever it stands and whatever stands beside it",
        arguments: DatabaseAdapter.available)
    func arguments(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            let row = try #require(
                try await test.database.execute(
                    .system, "SELECT $2 AS b, $1 AS a, $3 AS c, $1 AS again, $4 + 30 AS later, $1 < $5 AS less",
                    [1, "two", Int?.none, 1_795_248_000_000_000, 9]
                ).first)
            #expect(try row.value("a") == 1 && row.value("again") == 1 && row.value("b") == "two")
            #expect(try row.value("c", as: Int?.self) == nil)
            #expect(try row.value("later") == 1_795_248_000_000_030)
            #expect(try row.value("less", as: Bool.self) == true)
            await #expect(throws: DatabaseFailure.self) {
                try await test.database.read(.system) { tx in try tx.rows("SELECT $1, $2", [1]).count }
            }
        }
    }

    @Test("an optional argument may come and go in one statement", arguments: DatabaseAdapter.available)
    func optionals(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create("CREATE TABLE pair (id {int64} PRIMARY KEY, a {int64}, b TEXT) {strict}")
            for id in 0..<8 {
                let a = id.isMultiple(of: 2) ? id : nil
                let b = id < 4 ? "b\(id)" : nil
                try await test.database.execute(.system, "INSERT INTO pair VALUES ($1, $2, $3)", [id, a, b])
            }
            #expect(try await test.integers("SELECT a AS n FROM pair WHERE a IS NOT NULL ORDER BY id") == [0, 2, 4, 6])
            #expect(
                try await test.integers("SELECT id AS n FROM pair WHERE b IS NOT NULL ORDER BY id") == [0, 1, 2, 3])
        }
    }

    @Test("a statement says how many rows it changed", arguments: DatabaseAdapter.available)
    func changedRows(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create("CREATE TABLE thing (id {int64} PRIMARY KEY, name TEXT NOT NULL) {strict}")
            let counts = try await test.database.write(.system) { tx in
                [
                    try tx.run("INSERT INTO thing (id, name) VALUES (1, 'a'), (2, 'b')"),
                    try tx.run("INSERT INTO thing (id, name) VALUES (1, 'a') ON CONFLICT (id) DO NOTHING"),
                    try tx.run("UPDATE thing SET name = name || '!' WHERE id = 2"),
                    try tx.run("UPDATE thing SET name = 'c' WHERE id < 9 RETURNING id"),
                    try tx.run("SELECT id FROM thing"), try tx.run("DELETE FROM thing WHERE id = 99"),
                    try tx.run("DELETE FROM thing"),
                ]
            }
            #expect(counts == [2, 0, 1, 2, 0, 0, 2])
        }
    }

    @Test("what breaks a rule of the schema is an outcome of its own", arguments: DatabaseAdapter.available)
    func constraints(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create(
                """
                CREATE TABLE thing (id {int64} PRIMARY KEY, name TEXT NOT NULL UNIQUE, size {int64} CHECK (size > 0))
                {strict}
                """,
                "CREATE TABLE part (id {int64} PRIMARY KEY, thing {int64} REFERENCES thing (id)) {strict}",
                "INSERT INTO thing VALUES (1, 'one', 1)", "INSERT INTO part VALUES (1, 1)")
            let cases: [(String, DatabaseFailure.Constraint)] = [
                ("INSERT INTO thing VALUES (1, 'other', 1)", .unique),
                ("INSERT INTO thing VALUES (2, 'one', 1)", .unique),
                ("INSERT INTO thing VALUES (3, NULL, 1)", .notNull),
                ("INSERT INTO thing VALUES (4, 'four', 0)", .check),
                ("INSERT INTO part VALUES (2, 7777)", .foreignKey), ("DELETE FROM thing WHERE id = 1", .foreignKey),
            ]
            for (sql, expected) in cases {
                for isGuarded in [false, true] {
                    do {
                        if isGuarded {
                            try await test.database.execute(.system, sql, [])
                        } else {
                            try await test.database.write(.system) { tx in try tx.run(sql) }
                        }
                        Issue.record("accepted: \(sql)")
                    } catch DatabaseFailure.constraint(let constraint, let detail) {
                        #expect(constraint == expected, "\(sql)")
                        #expect(!detail.contains("four") && !detail.contains("7777"), "values of rows: \(detail)")
                    }
                }
            }
            #expect(try await test.integers("SELECT id AS n FROM thing") == [1])
        }
    }

    @Test("a wrong statement is said to be one, and leaves nothing behind", arguments: DatabaseAdapter.available)
    func wrongStatement(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create("CREATE TABLE thing (id {int64} PRIMARY KEY, name TEXT) {strict}")
            for sql in ["NO SQL", "SELECT * FROM nothing", "INSERT INTO thing (nowhere) VALUES (1)"] {
                do {
                    try await test.database.write(.system) { tx in
                        try tx.run("INSERT INTO thing VALUES (1, 'x')")
                        try tx.run(sql)
                    }
                    Issue.record("accepted: \(sql)")
                } catch DatabaseFailure.statement {}
            }
            await #expect(throws: DatabaseFailure.self) {
                try await test.database.write(.system) { tx in
                    try tx.run("INSERT INTO thing VALUES ($1, 'x')", ["text"])
                }
            }
            #expect(try await test.integer("SELECT COUNT(*) AS n FROM thing") == 0)
        }
    }

    @Test("a reading body cannot write", arguments: DatabaseAdapter.available)
    func readOnly(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create("CREATE TABLE thing (id {int64} PRIMARY KEY) {strict}")
            await #expect(throws: DatabaseFailure.self) {
                try await test.database.read(.system) { tx in try tx.run("INSERT INTO thing VALUES (1)") }
            }
            #expect(try await test.integer("SELECT COUNT(*) AS n FROM thing") == 0)
        }
    }

    @Test("text sorts by its bytes, and not by a language's rules", arguments: DatabaseAdapter.available)
    func byteOrder(adapter: DatabaseAdapter) async throws {
        let words = ["~", "a", "B", "_", "ä", "A", "z", "10", "9", "é", "Z"]
        try await adapter.withDatabase { test in
            try await test.create("CREATE TABLE word (id TEXT PRIMARY KEY) {strict}")
            let found = try await test.database.write(.system) { tx in
                for word in words { try tx.run("INSERT INTO word VALUES ($1)", [word]) }
                return try tx.rows("SELECT id FROM word WHERE id < $1 ORDER BY id", ["é"]).map { row in
                    try row.value("id", as: String.self)
                }
            }
            #expect(found == words.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.filter { $0 != "é" })
        }
    }

    @Test("the transaction's time is a wall clock's, and goes on", arguments: DatabaseAdapter.available)
    func time(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            let before = SystemClock().now
            let times = [
                try await test.database.read(.system) { $0.now }, try await test.database.write(.system) { $0.now },
                try await test.database.write(.schema) { $0.now },
            ]
            #expect(times == times.sorted() && times[0] >= before && times[2] <= SystemClock().now)
        }
    }

    @Test("that order is the column's own, whatever the database's is", arguments: DatabaseAdapter.postgres)
    func collation(adapter: DatabaseAdapter) async throws {
        try await adapter.withDatabase { test in
            try await test.create("CREATE TABLE word (id TEXT PRIMARY KEY, note TEXT) {strict}")
            let collations = try await test.database.execute(
                .schema,
                """
                SELECT collation_name::text AS name FROM information_schema.columns
                WHERE table_schema = current_schema() AND table_name = 'word'
                """, []
            ).map { try $0.value("name", as: String.self) }
            #expect(collations == ["C", "C"])
        }
    }
}
