/// One finding of `volery doctor`.
package struct DoctorRow: Sendable, Equatable, Encodable {
    package enum Status: String, Sendable, Encodable {
        case ok
        /// Something works less well, or a later step will ask for it.
        case warning
        /// Volery cannot do its work until this is mended.
        case broken
    }

    /// What was looked at; the first word names the kind: `disk`, `ports`, `models` and so on.
    package let check: String
    package let status: Status
    package let found: String
    package let expected: String
    /// The command, or the step, that mends it; nil when nothing is to do.
    package let remedy: String?

    static func ok(_ check: String, found: String, expected: String) -> DoctorRow {
        DoctorRow(check: check, status: .ok, found: found, expected: expected, remedy: nil)
    }

    static func warning(_ check: String, found: String, expected: String, remedy: String) -> DoctorRow {
        DoctorRow(check: check, status: .warning, found: found, expected: expected, remedy: remedy)
    }

    static func broken(_ check: String, found: String, expected: String, remedy: String) -> DoctorRow {
        DoctorRow(check: check, status: .broken, found: found, expected: expected, remedy: remedy)
    }

    private enum CodingKeys: String, CodingKey { case check, status, found, expected, remedy }

    /// Absent values are written as null, so that the shape is always the same.
    package func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(check, forKey: .check)
        try members.encode(status, forKey: .status)
        try members.encode(found, forKey: .found)
        try members.encode(expected, forKey: .expected)
        try members.encode(remedy, forKey: .remedy)
    }
}
