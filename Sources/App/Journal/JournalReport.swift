import Journal

/// Whether the journal is whole.
package struct JournalReport: Sendable, Encodable {
    /// Nothing is missing and nothing is damaged. A torn tail that a crash left, and requests that still run, are no
    /// damage.
    package let isIntact: Bool
    package let segments: [Row]
    package let gaps: [Gap]
    package let records: Int
    package let damagedBytes: Int
    package let tornBytes: Int
    package let openRequests: Int

    /// Sequence numbers that are missing, both ends included.
    package struct Gap: Sendable, Encodable, Equatable {
        package let first, last: UInt64
    }

    package struct Row: Sendable, Encodable {
        package let segment: UInt64
        package let file: String
        package let bytes: Int
        package let records: Int
        package let first, last: UInt64
        /// `own`, `later` when a crash ended the segment, or `none`.
        package let seal: String
        package let damagedBytes: Int
        package let tornBytes: Int
        /// In words, worst first; empty when nothing is to be said.
        package let findings: [String]
        package let isDamaged: Bool

        private enum CodingKeys: String, CodingKey {
            case segment, file, bytes, records, first, last, seal, damagedBytes = "damaged_bytes"
            case tornBytes = "torn_bytes", findings, isDamaged = "damaged"
        }
    }

    private enum CodingKeys: String, CodingKey {
        case isIntact = "intact", segments, gaps, records, damagedBytes = "damaged_bytes", tornBytes = "torn_bytes"
        case openRequests = "open_requests"
    }

    init(_ verdict: JournalVerdict) {
        isIntact = verdict.isIntact
        segments = verdict.segments.map(Row.init)
        gaps = verdict.gaps.map { Gap(first: $0.lowerBound, last: $0.upperBound) }
        records = verdict.segments.reduce(0) { $0 + $1.records }
        damagedBytes = verdict.segments.reduce(0) { $0 + $1.damagedBytes }
        tornBytes = verdict.segments.reduce(0) { $0 + $1.tornBytes }
        openRequests = verdict.openRequests
    }
}

extension JournalReport.Row {
    fileprivate init(_ verdict: SegmentVerdict) {
        segment = verdict.name.number
        file = verdict.name.file
        bytes = verdict.bytes
        records = verdict.records
        first = verdict.first
        last = verdict.last
        seal = verdict.seal.rawValue
        damagedBytes = verdict.damagedBytes
        tornBytes = verdict.tornBytes
        isDamaged = verdict.isDamaged
        var findings: [String] = []
        if verdict.isHeadless { findings.append("header cannot be read") }
        if verdict.damagedBytes > 0 { findings.append("\(verdict.damagedBytes) bytes damaged") }
        if verdict.unreadable > 0 { findings.append("\(verdict.unreadable) records unknown to this version") }
        if verdict.isSealWrong { findings.append("holds something else than its seal says") }
        if verdict.name.isSetAside { findings.append("set aside") }
        if verdict.tornBytes > 0 { findings.append("torn tail of \(verdict.tornBytes) bytes") }
        self.findings = findings
    }
}
