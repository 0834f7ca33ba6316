/// Upper bounds of histogram buckets, in seconds.
///
/// Source: OpenTelemetry's semantic conventions for generative AI, gen_ai.server.time_to_first_token and
/// gen_ai.server.request.duration.
enum Buckets {
    static let timeToFirstToken: [Double] = [
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ]
    static let duration: [Double] = [
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ]
    /// For what runs inside the process: from one microsecond on.
    static let short: [Double] = [
        0.000001, 0.000003, 0.00001, 0.00003, 0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5,
    ]
    /// For what is not time, such as the size of a batch.
    static let count: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

    static func of(_ name: String) -> [Double] {
        if name.hasSuffix("_time_to_first_token_seconds") { return timeToFirstToken }
        if name.hasSuffix("_duration_seconds") { return duration }
        return name.hasSuffix("_seconds") ? short : count
    }
}
