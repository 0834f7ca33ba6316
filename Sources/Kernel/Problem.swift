/// An error that a caller may see: a code of the catalog, and words that hold nothing internal.
///
/// What an operator needs beside it goes to the log, never in here.
package struct Problem: Error, Sendable, Equatable {
    package let code: ErrorCode
    /// One sentence, in the caller's terms.
    package let message: String
    /// The field or header that is wrong, as a path: `messages[0].role`.
    package let parameter: String?
    /// What the caller can do now. The catalog's own remedy stands in when there is none.
    package let hint: String
    /// Whole seconds after which another try makes sense.
    package let retryAfter: Int?
    /// Figures that belong to the error, such as token counts.
    package let figures: [Figure]
    /// Texts that belong to it, such as the identifier of what a repeated request made before.
    package let members: [String: String]

    package struct Figure: Sendable, Equatable {
        package let name: String
        package let value: Int

        package init(_ name: String, _ value: Int) {
            self.name = name
            self.value = value
        }
    }

    package init(
        _ code: ErrorCode,
        _ message: String? = nil,
        parameter: String? = nil,
        hint: String? = nil,
        retryAfter: Int? = nil,
        figures: [Figure] = [],
        members: [String: String] = [:]
    ) {
        self.code = code
        self.message = message ?? code.meaning
        self.parameter = parameter
        self.hint = hint ?? code.remedy
        self.retryAfter = retryAfter
        self.figures = figures
        self.members = members
    }

    package var status: Int { code.status }
}

extension Problem: CustomStringConvertible {
    package var description: String { "\(code.rawValue): \(message) \(hint)" }
}
