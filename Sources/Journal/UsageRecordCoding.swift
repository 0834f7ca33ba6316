import Inference
import Kernel

/// The payload of a `close` or `settled` record. Its first byte is the version; a later one is added beside this, never
/// over it.
enum UsageRecordCoding {
    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let isStream = Flags(rawValue: 1)
        static let hasFirstToken = Flags(rawValue: 2)
        static let hasClientRequest = Flags(rawValue: 4)
        static let hasErrorCode = Flags(rawValue: 8)
    }

    static func encode(_ record: UsageRecord, into writer: inout ByteWriter) {
        var flags: Flags = []
        if record.isStream { flags.insert(.isStream) }
        if record.firstToken != nil { flags.insert(.hasFirstToken) }
        if record.clientRequest != nil { flags.insert(.hasClientRequest) }
        if record.errorCode != nil { flags.insert(.hasErrorCode) }
        writer.integer(PayloadVersion.written.rawValue)
        writer.integer(flags.rawValue)
        writer.id(record.request)
        writer.id(record.workspace)
        writer.id(record.key)
        writer.id(record.deployment)
        writer.integer(RecordCodes.code(of: record.operation))
        writer.integer(RecordCodes.code(of: record.status))
        writer.integer(RecordCodes.code(of: record.usage.source))
        writer.integer(UInt16(clamping: record.httpStatus))
        UsageCoding.encode(record.usage, into: &writer)
        writer.integer(record.started.microseconds)
        writer.integer(record.latency.microseconds)
        if let firstToken = record.firstToken { writer.integer(firstToken.microseconds) }
        writer.text(record.model, limit: RecordCodes.textLimit)
        if let clientRequest = record.clientRequest { writer.text(clientRequest, limit: RecordCodes.textLimit) }
        if let errorCode = record.errorCode { writer.text(errorCode, limit: RecordCodes.textLimit) }
        BillingCoding.encode(record.billing, into: &writer)
        AttemptsCoding.encode(record.attempts, into: &writer)
        RouteCoding.encode(record.route, into: &writer)
    }

    /// - Returns: nil for what no version wrote.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> UsageRecord? {
        var reader = ByteReader(bytes)
        do {
            guard let version = PayloadVersion(rawValue: try reader.integer()) else { return nil }
            return try decode(version, &reader)
        } catch {
            return nil
        }
    }

    private static func decode(
        _ version: PayloadVersion, _ reader: inout ByteReader
    ) throws(ByteReader.Exhausted) -> UsageRecord? {
        let flags = Flags(rawValue: try reader.integer())
        let request: RequestID = try reader.id()
        let workspace: WorkspaceID = try reader.id()
        let key: KeyID = try reader.id()
        let deployment: DeploymentID = try reader.id()
        guard let operation = RecordCodes.operation(of: try reader.integer()),
            let status = RecordCodes.status(of: try reader.integer()),
            let source = RecordCodes.source(of: try reader.integer())
        else { return nil }
        let httpStatus = Int(try reader.integer(UInt16.self))
        let usage = try UsageCoding.decode(source, version, &reader)
        let started = Instant(microseconds: try reader.integer())
        let latency = Duration.microseconds(try reader.integer(Int64.self))
        var firstToken: Duration?
        if flags.contains(.hasFirstToken) { firstToken = .microseconds(try reader.integer(Int64.self)) }
        let model = try reader.text()
        let clientRequest = flags.contains(.hasClientRequest) ? try reader.text() : nil
        let errorCode = flags.contains(.hasErrorCode) ? try reader.text() : nil
        let isFirst = version < .second
        guard let billing = isFirst ? BillingFacts.none : try BillingCoding.decode(&reader),
            let attempts = isFirst ? [] : try AttemptsCoding.decode(version, of: billing.provider, &reader)
        else { return nil }
        return UsageRecord(
            request: request, clientRequest: clientRequest, workspace: workspace, key: key, operation: operation,
            model: model, deployment: deployment, isStream: flags.contains(.isStream), status: status,
            httpStatus: httpStatus, errorCode: errorCode,
            usage: usage, started: started, latency: latency, firstToken: firstToken, billing: billing,
            attempts: attempts, route: try RouteCoding.decode(version, &reader))
    }
}
