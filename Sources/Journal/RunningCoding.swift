import Inference
import Kernel

/// The payload of an `open` record. Its first byte is the version; a later one is added beside this, never over it.
enum OpenRequestCoding {
    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let isStream = Flags(rawValue: 1)
        static let hasClientRequest = Flags(rawValue: 2)
    }

    static func encode(_ open: OpenRequest, into writer: inout ByteWriter) {
        var flags: Flags = []
        if open.isStream { flags.insert(.isStream) }
        if open.clientRequest != nil { flags.insert(.hasClientRequest) }
        writer.integer(PayloadVersion.written.rawValue)
        writer.integer(flags.rawValue)
        writer.id(open.request)
        writer.id(open.workspace)
        writer.id(open.key)
        writer.id(open.deployment)
        writer.integer(RecordCodes.code(of: open.operation))
        writer.integer(UInt16(clamping: open.attempt))
        writer.integer(open.started.microseconds)
        writer.text(open.model, limit: RecordCodes.textLimit)
        if let clientRequest = open.clientRequest { writer.text(clientRequest, limit: RecordCodes.textLimit) }
        BillingCoding.encode(open.billing, into: &writer)
        RouteCoding.encode(open.route, into: &writer)
        AttemptsCoding.encode(open.before, into: &writer)
    }

    /// - Returns: nil for what no version wrote.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> OpenRequest? {
        var reader = ByteReader(bytes)
        do {
            guard let version = PayloadVersion(rawValue: try reader.integer()) else { return nil }
            let flags = Flags(rawValue: try reader.integer())
            let request: RequestID = try reader.id()
            let workspace: WorkspaceID = try reader.id()
            let key: KeyID = try reader.id()
            let deployment: DeploymentID = try reader.id()
            guard let operation = RecordCodes.operation(of: try reader.integer()) else { return nil }
            let attempt = Int(try reader.integer(UInt16.self))
            let started = Instant(microseconds: try reader.integer())
            let model = try reader.text()
            let clientRequest = flags.contains(.hasClientRequest) ? try reader.text() : nil
            guard let billing = version == .first ? BillingFacts.none : try BillingCoding.decode(&reader) else {
                return nil
            }
            let route = try RouteCoding.decode(version, &reader)
            guard
                let before = version >= .third
                    ? try AttemptsCoding.decode(version, of: billing.provider, &reader) : []
            else { return nil }
            return OpenRequest(
                request: request, clientRequest: clientRequest, workspace: workspace, key: key, operation: operation,
                model: model, deployment: deployment, isStream: flags.contains(.isStream), attempt: attempt,
                started: started, billing: billing, route: route, before: before)
        } catch {
            return nil
        }
    }
}

/// The payload of a `progress` record, versioned as the others.
enum ProgressCoding {
    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let hasFirstToken = Flags(rawValue: 1)
    }

    static func encode(_ progress: RequestProgress, into writer: inout ByteWriter) {
        var flags: Flags = []
        if progress.firstToken != nil { flags.insert(.hasFirstToken) }
        writer.integer(PayloadVersion.written.rawValue)
        writer.integer(flags.rawValue)
        writer.id(progress.request)
        writer.integer(RecordCodes.code(of: progress.usage.source))
        UsageCoding.encode(progress.usage, into: &writer)
        writer.integer(progress.elapsed.microseconds)
        if let firstToken = progress.firstToken { writer.integer(firstToken.microseconds) }
    }

    /// - Returns: nil for what no version wrote.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> RequestProgress? {
        var reader = ByteReader(bytes)
        do {
            guard let version = PayloadVersion(rawValue: try reader.integer()) else { return nil }
            let flags = Flags(rawValue: try reader.integer())
            let request: RequestID = try reader.id()
            guard let source = RecordCodes.source(of: try reader.integer()) else { return nil }
            let usage = try UsageCoding.decode(source, version, &reader)
            let elapsed = Duration.microseconds(try reader.integer(Int64.self))
            let hasFirstToken = flags.contains(.hasFirstToken)
            return RequestProgress(
                request: request, usage: usage, elapsed: elapsed,
                firstToken: hasFirstToken ? .microseconds(try reader.integer(Int64.self)) : nil)
        } catch {
            return nil
        }
    }
}
