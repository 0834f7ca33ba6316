import CPostgres
import Database

/// Why a statement or a connection did not work, before it is known what that means for the transaction.
enum SessionFailure: Error {
    /// The connection is gone. Whether the server still did what it was asked, nobody knows.
    case lost(String)
    /// The server refused a statement, and the connection stands.
    case refused(ServerError)
    /// A value cannot be sent: our own bug.
    case unsendable(String)
    /// The caller's task was cancelled before the statement was sent.
    case cancelled

    /// For a statement that cannot have changed anything durable.
    var failure: DatabaseFailure {
        switch self {
        case .lost(let words): .unavailable(words)
        case .refused(let error): error.failure
        case .unsendable(let words): .statement(words)
        case .cancelled: .unavailable("cancelled")
        }
    }
}

/// An error as the server reports it. Holds no values of rows: the server puts those into the detail, which is not
/// read, and into the messages of class 22, which are cut.
struct ServerError: Error, CustomStringConvertible {
    let state: String
    let message: String

    init(state: String, message: String) {
        self.state = state
        self.message = message
    }

    init(_ result: OpaquePointer?) {
        func field(_ code: Character) -> String {
            guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return "" }
            return String(cString: text)
        }
        state = field("C")
        let words = field("M").onOneLine
        message = state.hasPrefix("22") ? String(words.prefix { $0 != ":" }) : words
    }

    var description: String { "\(state.isEmpty ? "no code" : state): \(message)" }

    /// Nothing took place, and the same transaction may well go through when it is run again.
    var isConflict: Bool { state == "40001" || state == "40P01" }

    /// A prepared statement no longer fits: the schema changed below it, or something between us and the server gave
    /// us another connection.
    var isStalePlan: Bool {
        state == "26000" || (state == "0A000" && message.contains("cached plan"))
    }

    /// The server says goodbye: shut down, crashed, or this connection was ended by an administrator. 08P01 does not
    /// belong to it: a statement with too few arguments has that one.
    var endsConnection: Bool { state.hasPrefix("57P") || (state.hasPrefix("08") && state != "08P01") }

    /// The server itself does not know how the transaction ended.
    var isUnknownOutcome: Bool { state == "08007" || state == "40003" || endsConnection }

    /// What the code means to a caller. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
    var failure: DatabaseFailure {
        switch state {
        case "23505": .constraint(.unique, detail: description)
        case "23503", "23001": .constraint(.foreignKey, detail: description)
        case "23502": .constraint(.notNull, detail: description)
        case "23514": .constraint(.check, detail: description)
        case "53100": .full
        case "XX001", "XX002": .corrupt(description)
        // 55P03 and 57014: waited too long for a lock, or ran too long. 25P03: the body itself took too long.
        case "55P03", "57014", "25P03": .unavailable(description)
        case "08P01": .statement(description)
        default: failureOfClass
        }
    }

    private var failureOfClass: DatabaseFailure {
        switch state.prefix(2) {
        // Row-level security has 42501, as a missing permission has. Neither is the caller's doing: a statement
        // reached for another workspace's rows, or the roles are not set up. Both are ours to mend.
        case "23": .constraint(.other, detail: description)
        case "08", "40", "53", "57", "58", "XX": .unavailable(description)
        default: .statement(description)
        }
    }
}

extension String {
    /// libpq's messages have line breaks and tabs in them, which a log or a table would show as they are.
    var onOneLine: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
