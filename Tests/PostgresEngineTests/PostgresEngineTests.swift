import Database
import Kernel
import Testing

@testable import PostgresEngine

@Suite struct PostgresEngineTests {
    @Test("a location says where the database is, and never the password")
    func location() throws {
        let location = try PostgresLocation(
            Secret("postgres://volery:pass%40word@db.example:6432/rows?sslmode=require"))
        #expect("\(location)" == "db.example:6432/rows")
        #expect(!String(reflecting: location).contains("word"))
        var dumped = ""
        dump(location, to: &dumped)
        #expect(!dumped.contains("word"))
        #expect(try "\(PostgresLocation(Secret("postgresql:///rows")))" == "the local socket:5432/rows")
    }

    @Test(
        "what is no URL of PostgreSQL is refused without being repeated",
        arguments: [
            "", "mysql://a@b/c", "host=secret", "postgres://u:sec%ret@h/d", "postgres://u:secret@h:p/d?no=secret",
            "postgres://u:p@sec#ret@127.0.0.1:5432/d", "postgres://u:p@sec ret@h/d", "postgres://u:1/sec@h",
            "postgres://u:pa/sec@h/d", "postgres://h/d?foo=sec", "postgres://h/d?sslmode=sec",
            "postgres://h/d?host=a@sec",
        ])
    func badLocation(url: String) {
        do {
            _ = try PostgresLocation(Secret(url))
            Issue.record("accepted")
        } catch {
            #expect(error.code == .configurationInvalid)
            #expect(!"\(error)".contains("sec"))
        }
    }

    @Test(
        "what libpq takes is taken",
        arguments: [
            ("postgres://u:p%40%23%2F%3F@h/d", "h:5432/d"), ("postgres://u:p#w@h1:1,h2:2/d", "h1,h2:1,2/d"),
            ("postgres://u@%2Frun%2Fpg/d", "/run/pg:5432/d"), ("postgres:///d?host=/run/pg", "/run/pg:5432/d"),
            ("postgres://u@[::1]:5432/d?sslmode=verify-full&target_session_attrs=primary", "::1:5432/d"),
            ("postgres://u@h/d?password=a@b", "h:5432/d"),
        ])
    func goodLocation(url: String, shown: String) throws {
        #expect(try "\(PostgresLocation(Secret(url)))" == shown)
    }

    @Test("a message of several lines is shown on one")
    func oneLine() {
        #expect("connection failed:\n\tFATAL:  no  such role\n".onOneLine == "connection failed: FATAL: no such role")
    }

    @Test(
        "the server's codes mean what they say",
        arguments: [
            ("53100", DatabaseFailure.full), ("55P03", .unavailable("55P03: words")),
            ("57014", .unavailable("57014: words")), ("53300", .unavailable("53300: words")),
            ("08006", .unavailable("08006: words")), ("08P01", .statement("08P01: words")),
            ("42501", .statement("42501: words")), ("42P01", .statement("42P01: words")),
            ("22003", .statement("22003: words")), ("XX001", .corrupt("XX001: words")),
            ("23P01", .constraint(.other, detail: "23P01: words")), ("", .statement("no code: words")),
        ])
    func codes(state: String, expected: DatabaseFailure) {
        #expect(ServerError(state: state, message: "words").failure == expected)
    }

    @Test("which refusals are run again, and which leave the outcome open")
    func retries() {
        func states(_ test: (ServerError) -> Bool) -> [String] {
            ["40001", "40P01", "40003", "08007", "57P01", "57P02", "57P03", "57014", "23505", "08P01"]
                .filter { test(ServerError(state: $0, message: "")) }
        }
        #expect(states(\.isConflict) == ["40001", "40P01"])
        #expect(states(\.isUnknownOutcome) == ["40003", "08007", "57P01", "57P02", "57P03"])
        #expect(states(\.endsConnection) == ["08007", "57P01", "57P02", "57P03"])
    }

    @Test("a NULL fits a statement that was prepared with a type, and inherits the type")
    func optionalArguments() {
        var cache = StatementCache(capacity: 8)
        cache.add("sql", [20, 0], name: "v1")
        #expect(cache.name(of: "sql", [20, 0]) == "v1")
        #expect(cache.name(of: "sql", [0, 0]) == "v1")
        #expect(cache.name(of: "sql", [0, 25]) == nil)
        #expect(cache.types(for: "sql", [0, 25]) == [20, 25])
        cache.add("sql", [20, 25], name: "v2")
        #expect(cache.name(of: "sql", [20, 25]) == "v2" && cache.name(of: "sql", [0, 25]) == "v2")
        #expect(cache.name(of: "sql", [20]) == nil && cache.name(of: "other", [20, 25]) == nil)
    }

    @Test("the statement that was not used for longest makes room")
    func eviction() {
        var cache = StatementCache(capacity: 3)
        for (sql, name) in [("a", "v1"), ("b", "v2"), ("c", "v3")] {
            #expect(cache.evict() == nil)
            cache.add(sql, [], name: name)
        }
        #expect(cache.name(of: "a", []) == "v1")
        #expect(cache.evict() == "v2")
        #expect(cache.name(of: "b", []) == nil && cache.name(of: "a", []) == "v1" && cache.name(of: "c", []) == "v3")
    }

    @Test("text that PostgreSQL would cut in silence is refused")
    func zeroByte() {
        #expect(throws: SessionFailure.self) { try Parameters([.integer(1), .text("a\0b")]) }
        #expect(throws: Never.self) { try Parameters([.blob([0]), .text("")]) }
    }
}
