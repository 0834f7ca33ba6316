/// An error that a caller may see: a code of the catalog, and words that hold nothing internal.
///
/// What an operator needs beside it goes to the log, never in here.
///
/// One reference, since everything that may fail hands one on, mostly none.
public struct Problem: Error, Sendable, Equatable {
    private struct Members: Equatable {
        let code: ErrorCode
        let message: String
        let parameter: String?
        let hint: String
        let retryAfter: Int?
        let figures: [Figure]
        let members: [String: String]
    }

    private final class Shared: Sendable {
        let members: Members

        init(_ members: Members) { self.members = members }
    }

    private let shared: Shared

    public var code: ErrorCode { shared.members.code }
    /// One sentence, in the caller's terms.
    public var message: String { shared.members.message }
    /// The field or header that is wrong, as a path: `messages[0].role`.
    public var parameter: String? { shared.members.parameter }
    /// What the caller can do now. The catalog's own remedy stands in when there is none.
    public var hint: String { shared.members.hint }
    /// Whole seconds after which another try makes sense.
    public var retryAfter: Int? { shared.members.retryAfter }
    /// Figures that belong to the error, such as token counts.
    public var figures: [Figure] { shared.members.figures }
    /// Texts that belong to it, such as the identifier of what a repeated request made before.
    public var members: [String: String] { shared.members.members }

    public struct Figure: Sendable, Equatable {
        public let name: String
        public let value: Int

        public init(_ name: String, _ value: Int) {
            self.name = name
            self.value = value
        }
    }

    public init(
        _ code: ErrorCode,
        _ message: String? = nil,
        parameter: String? = nil,
        hint: String? = nil,
        retryAfter: Int? = nil,
        figures: [Figure] = [],
        members: [String: String] = [:]
    ) {
        shared = Shared(
            Members(
                code: code, message: message ?? code.meaning, parameter: parameter, hint: hint ?? code.remedy,
                retryAfter: retryAfter, figures: figures, members: members))
    }

    public static func == (left: Problem, right: Problem) -> Bool { left.shared.members == right.shared.members }

    public var status: Int { code.status }
}

extension Problem: CustomStringConvertible {
    public var description: String { "\(code.rawValue): \(message) \(hint)" }
}
