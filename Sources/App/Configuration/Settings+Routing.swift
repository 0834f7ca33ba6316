import Kernel

/// How requests find a deployment, and what becomes of one that fails.
extension Settings {
    static let queueLength = Setting.integer(
        "queue_length", 256, in: 0...100_000,
        "Requests that may wait for a place at one model's deployments when all are full.")
    static let queueTimeout = Setting.duration(
        "queue_timeout", "5s", in: .milliseconds(10)...routingLongest, "How long a request waits for such a place.")
    static let streamCommentInterval = Setting.duration(
        "stream_comment_interval", "15s", in: .milliseconds(10)...routingLongest,
        "After so much silence of a stream its client gets a comment, so that nothing between takes it for dead.")
    static let breakerFailures = Setting.integer(
        "breaker_failures", 5, in: 1...1000, "Failures in a row after which a deployment is left alone for a time.")
    static let breakerPause = Setting.duration(
        "breaker_pause", "5s", in: .milliseconds(10)...routingLongest,
        "How long that is the first time; each failed attempt to come back doubles it.")
    static let healthInterval = Setting.duration(
        "health_interval", "10s", in: .zero...routingLongest,
        "Between two questions for the health of each deployment that is no provider's; 0 asks none.")

    private static let routingLongest = Duration.seconds(3600)

    static let routingRows: [SettingRow] = [
        queueLength.row, queueTimeout.row, streamCommentInterval.row, breakerFailures.row, breakerPause.row,
        healthInterval.row,
    ]
}

extension Configuration {
    package struct RoutingSettings: Sendable, Equatable {
        package var queueLength = 256
        package var queueTimeout = Duration.seconds(5)
        package var commentInterval = Duration.seconds(15)
        package var breakerFailures = 5
        package var breakerPause = Duration.seconds(5)
        /// Zero asks nobody.
        package var healthInterval = Duration.seconds(10)

        package init() {}
    }

    static func readRouting(_ reader: inout SettingsReader) -> RoutingSettings {
        var routing = RoutingSettings()
        routing.queueLength = reader.value(of: Settings.queueLength, or: routing.queueLength)
        routing.queueTimeout = reader.value(of: Settings.queueTimeout, or: routing.queueTimeout)
        routing.commentInterval = reader.value(of: Settings.streamCommentInterval, or: routing.commentInterval)
        routing.breakerFailures = reader.value(of: Settings.breakerFailures, or: routing.breakerFailures)
        routing.breakerPause = reader.value(of: Settings.breakerPause, or: routing.breakerPause)
        routing.healthInterval = reader.value(of: Settings.healthInterval, or: routing.healthInterval)
        return routing
    }
}
