import Gateway
import Kernel
import Logging
import Telemetry

/// What writes to the log: everybody through `logger`, and the hot path through `requests`.
struct Logs {
    let logger: Logger
    /// Nil where requests are below what is logged.
    let requests: (any AccessLog)?

    /// - Parameter isForPerson: whether somebody reads the log as it is written, at a terminal.
    init(_ configuration: Configuration, isForPerson: Bool, writer: LogWriter, clock: SystemClock) {
        let format: Telemetry.LogFormat =
            switch configuration.logFormat {
            case .json: .json
            case .text: .text
            case .auto: isForPerson ? .text : .json
            }
        let level = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        logger = Logger(label: "volery") { label in
            StructuredLogHandler(label: label, level: level, format: format, writer: writer, clock: clock)
        }
        requests = level <= .info ? RequestLog(format: format, writer: writer, clock: clock) : nil
    }
}
