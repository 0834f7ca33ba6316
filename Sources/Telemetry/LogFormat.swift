package import Kernel
package import Logging

/// How a log line looks.
package enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object a line, for machines.
    case json
    /// `08:30:00 info message key=value`, for a person at a terminal.
    case text

    static let maximumValue = 4096

    package func line(
        at now: Instant, level: Logger.Level, label: String, message: String, metadata: Logger.Metadata
    ) -> String {
        let fields = metadata.sorted { $0.key < $1.key }
        switch self {
        case .json:
            var line = "{\"time\":\"\(now)\",\"level\":\"\(level)\",\"message\":"
            Self.append(message, to: &line)
            line += ",\"logger\":"
            Self.append(label, to: &line)
            for (key, value) in fields {
                line += ","
                Self.append(key, to: &line)
                line += ":"
                Self.append(value, to: &line)
            }
            return line + "}"
        case .text:
            let time = now.description.dropFirst(11).prefix(8)
            let pairs = fields.map { " \($0.key)=\(Self.printable("\($0.value)"))" }.joined()
            return "\(time) \(level.rawValue) \(Self.printable(message))\(pairs)"
        }
    }

    private static func append(_ value: Logger.MetadataValue, to line: inout String) {
        switch value {
        case .string(let text): append(text, to: &line)
        case .stringConvertible(let number as Int): line += String(number)
        case .stringConvertible(let flag as Bool): line += String(flag)
        case .stringConvertible(let other): append(other.description, to: &line)
        case .array(let values):
            line += "["
            for (index, element) in values.enumerated() {
                if index > 0 { line += "," }
                append(element, to: &line)
            }
            line += "]"
        case .dictionary(let members):
            line += "{"
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { line += "," }
                append(member.key, to: &line)
                line += ":"
                append(member.value, to: &line)
            }
            line += "}"
        }
    }

    /// A JSON string; what is too long is cut and says so.
    private static func append(_ text: String, to line: inout String) {
        line += "\""
        // Nearly every text is plain, and goes in as it is.
        if text.utf8.count <= maximumValue, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }) {
            line += text
            line += "\""
            return
        }
        for scalar in text.unicodeScalars.prefix(maximumValue) {
            switch scalar {
            case "\"": line += "\\\""
            case "\\": line += "\\\\"
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            case "\t": line += "\\t"
            default:
                if scalar.value < 0x20 {
                    line += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
                } else {
                    line.unicodeScalars.append(scalar)
                }
            }
        }
        if text.unicodeScalars.count > maximumValue { line += "…" }
        line += "\""
    }

    /// One line for a terminal: control characters, which could move its cursor, become spaces.
    private static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(maximumValue).map {
                    $0.properties.generalCategory == .control ? " " : $0
                }))
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
