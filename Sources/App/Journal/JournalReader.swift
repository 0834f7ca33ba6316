package import Inference
import Journal
package import Kernel

/// The journal's files for a person to look at. Reads only, takes no lock: a platform may serve the folder meanwhile.
package struct JournalReader: Sendable {
    private let path: String
    private let inspection: JournalInspection

    /// - Throws: `NOT_FOUND` when the data folder has no journal.
    package init(dataDir: String) throws(Problem) {
        let folder = DataFolder(dataDir)
        path = folder.journal
        guard folder.exists else { throw folder.missing }
        guard DataFolder(path).exists else {
            throw Problem(
                .notFound, "The data folder \(dataDir) has no journal.",
                hint: "A platform makes it when it first serves the folder; --data-dir names another.")
        }
        inspection = JournalInspection(folder: path)
    }

    /// Hands over the records file by file, oldest first.
    /// - Parameters:
    ///   - segment: only the one of this number.
    ///   - request: only records of this request; files without one are passed over.
    /// - Throws: `NOT_FOUND` when there is no such segment; what `body` throws.
    package func forEachSegment(
        _ segment: UInt64?, request: RequestID?, _ body: (_ file: String, [JournalRow]) throws -> Void
    ) throws {
        let names = try reading { () throws(FileFailure) in try inspection.segments() }
        let wanted = names.filter { segment == nil || $0.number == segment }
        if let segment, wanted.isEmpty { throw Problem(.notFound, "The journal has no segment \(segment).") }
        for name in wanted {
            guard let records = try reading({ () throws(FileFailure) in try inspection.records(of: name) }) else {
                continue
            }
            let rows = records.filter { request == nil || $0.record?.request == request }.map(JournalRow.init)
            if request == nil || !rows.isEmpty { try body(name.file, rows) }
        }
    }

    package func verify() throws(Problem) -> JournalReport {
        JournalReport(try reading { () throws(FileFailure) in try inspection.verify() })
    }

    private func reading<Value>(_ body: () throws(FileFailure) -> Value) throws(Problem) -> Value {
        do throws(FileFailure) {
            return try body()
        } catch {
            throw DataFolder.problem("The journal \(path) cannot be read", error.code)
        }
    }
}

/// One record as it is shown.
package struct JournalRow: Sendable, Encodable {
    package let segment: UInt64
    package let sequence: UInt64
    /// `open`, `progress`, `close`, `settled`, `seal`, or `unknown`.
    package let kind: String
    /// Bytes before the record in its file, and its own.
    package let offset, bytes: Int
    package var request: RequestID?
    package var workspace: WorkspaceID?
    package var operation: Inference.Operation?
    package var model: String?
    package var attempt: Int?
    package var status: RequestStatus?
    package var errorCode: String?
    package var inputTokens, outputTokens: Int?
    package var tokenSource: CountSource?
    /// When the request began.
    package var started: Instant?
    /// Seconds from there to the record.
    package var elapsed: Double?
    package var sealed: Seal?

    /// What a `seal` says of a segment.
    package struct Seal: Sendable, Encodable {
        package let segment: UInt64
        package let records: Int
        package let first, last: UInt64
    }

    private enum CodingKeys: String, CodingKey {
        case segment, sequence, kind, offset, bytes, request = "request_id", workspace = "workspace_id", operation
        case model, attempt, status, errorCode = "error_code", inputTokens = "input_tokens"
        case outputTokens = "output_tokens", tokenSource = "token_source", started, elapsed = "elapsed_seconds", sealed
    }

    init(_ inspected: InspectedRecord) {
        segment = inspected.segment
        sequence = inspected.sequence
        kind = inspected.kind.map { "\($0)" } ?? "unknown"
        offset = inspected.offset
        bytes = inspected.bytes
        switch inspected.record {
        case .open(let open): fill(open)
        case .progress(let progress):
            request = progress.request
            fill(progress.usage)
            elapsed = progress.elapsed.seconds
        case .close(let record), .settled(let record): fill(record)
        case .seal(let seal):
            sealed = Seal(segment: seal.segment, records: seal.records, first: seal.first, last: seal.last)
        case nil: break
        }
    }

    private mutating func fill(_ open: OpenRequest) {
        request = open.request
        workspace = open.workspace
        operation = open.operation
        model = open.model
        attempt = open.attempt
        started = open.started
    }

    private mutating func fill(_ record: UsageRecord) {
        request = record.request
        workspace = record.workspace
        operation = record.operation
        model = record.model
        status = record.status
        errorCode = record.errorCode
        fill(record.usage)
        started = record.started
        elapsed = record.latency.seconds
    }

    private mutating func fill(_ usage: Usage) {
        inputTokens = usage.inputTokens
        outputTokens = usage.outputTokens
        tokenSource = usage.source
    }
}
