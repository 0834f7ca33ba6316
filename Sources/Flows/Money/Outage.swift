import Logging

/// Says once that something does not work, and once that it works again.
struct Outage {
    private let words: Logger.Message
    private let logger: Logger
    private var isOn = false

    init(_ words: Logger.Message, _ logger: Logger) {
        self.words = words
        self.logger = logger
    }

    mutating func began(_ error: any Error) {
        if !isOn, !(error is CancellationError) { logger.warning(words, metadata: ["error": "\(error)"]) }
        isOn = true
    }

    mutating func isOver() {
        if isOn { logger.notice("it works again: \(words)") }
        isOn = false
    }
}
