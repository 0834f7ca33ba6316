package import Kernel
package import Logging

/// How a log line looks.
package enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object a line, for machines.
    case json
    /// `08:30:00 info message key=value`, for a person at a terminal.
    case text

    package func line(
        at now: Instant, level: Logger.Level, label: String, message: String, metadata: Logger.Metadata
    ) -> LogLine {
        var line = LogLine(self, at: now, level: level.rawValue, label: label, message: message)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { line.add(key, value) }
        return line
    }
}

extension LogLine {
    fileprivate mutating func add(_ name: String, _ value: Logger.MetadataValue) {
        switch (value, format) {
        case (.string(let text), _): add(named: name, text)
        case (.stringConvertible(let number as Int), _): add(named: name, number)
        case (.stringConvertible(let flag as Bool), _): add(named: name, flag)
        case (.stringConvertible(let other), _): add(named: name, other.description)
        case (.array, .text), (.dictionary, .text): add(named: name, "\(value)")
        case (.array, .json), (.dictionary, .json):
            begin(named: name)
            putJSON(value)
        }
    }

    private mutating func putJSON(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): putJSON(text)
        case .stringConvertible(let number as Int): put(String(number))
        case .stringConvertible(let flag as Bool): put(String(flag))
        case .stringConvertible(let other): putJSON(other.description)
        case .array(let values):
            put("[")
            for (index, element) in values.enumerated() {
                if index > 0 { put(",") }
                putJSON(element)
            }
            put("]")
        case .dictionary(let members):
            put("{")
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { put(",") }
                putJSON(member.key)
                put(":")
                putJSON(member.value)
            }
            put("}")
        }
    }
}

/// The backend of swift-log: formats here, writes elsewhere.
package struct StructuredLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    private let label: String
    private let format: LogFormat
    private let writer: LogWriter
    private let clock: any Clock

    package init(label: String, level: Logger.Level, format: LogFormat, writer: LogWriter, clock: any Clock) {
        self.label = label
        self.format = format
        self.writer = writer
        self.clock = clock
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var fields = metadata
        if let more = event.metadata { fields.merge(more) { $1 } }
        if let error = event.error { fields["error"] = .string("\(error)") }
        writer.write(
            format.line(
                at: clock.now, level: event.level, label: label, message: event.message.description,
                metadata: fields))
    }
}
