import Database
import Kernel
import TestKit
import Testing

@Suite struct RowTests {
    private let row = Row(
        columns: ["text", "number", "none", "real", "blob"],
        values: [.text("x"), .integer(7), .null, .real(1.5), .blob([1])])

    @Test("a column is read as what it holds")
    func reads() throws {
        #expect(try row.value("text") == "x")
        #expect(try row.value("number") == 7)
        #expect(try row.value("none", as: Int?.self) == nil)
        #expect(try row.value("number", as: Int?.self) == 7)
        #expect(try row.value("real") == 1.5)
        #expect(try row.value("number", as: Instant.self) == Instant(microseconds: 7))
        #expect(try row.value("number", as: Duration.self) == .microseconds(7))
    }

    @Test("a column that is missing or holds something else is an error, never a default")
    func refuses() {
        #expect(throws: DatabaseFailure.self) { try row.value("nothing", as: String.self) }
        #expect(throws: DatabaseFailure.self) { try row.value("text", as: Int.self) }
        #expect(throws: DatabaseFailure.self) { try row.value("number", as: String.self) }
        #expect(throws: DatabaseFailure.self) { try row.value("none", as: Int.self) }
        #expect(throws: DatabaseFailure.self) { try row.value("number", as: Bool.self) }
        #expect(throws: DatabaseFailure.self) { try row.value("text", as: KeyID.self) }
    }

    @Test("values survive the way into a column and back")
    func values() {
        let id: KeyID = Samples().ids.next()
        #expect(KeyID(sqlValue: id.sqlValue) == id)
        #expect(RequestID(sqlValue: id.sqlValue) == nil)
        #expect(Bool(sqlValue: true.sqlValue) == true)
        #expect(Optional<Int>(sqlValue: Int?.none.sqlValue) == .some(nil))
        #expect(Duration(sqlValue: Duration.milliseconds(3).sqlValue) == .milliseconds(3))
    }

    @Test("no failure shows its inner words to a caller")
    func problems() {
        let words = "near secret: syntax"
        let failures: [(DatabaseFailure, ErrorCode)] = [
            (.constraint(.unique, detail: words), .alreadyExists), (.constraint(.check, detail: words), .internalError),
            (.overloaded, .overloaded), (.unavailable(words), .storageUnavailable), (.full, .storageFull),
            (.corrupt(words), .storageUnavailable), (.commitUnknown(words), .storageUnavailable),
            (.closed, .storageUnavailable), (.statement(words), .internalError),
        ]
        for (failure, code) in failures {
            #expect(failure.problem.code == code)
            #expect(!"\(failure.problem)".contains("secret"))
        }
    }
}
