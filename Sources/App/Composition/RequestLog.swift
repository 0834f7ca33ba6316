import Gateway
import Inference
import Kernel
import Telemetry

/// A line of the log for each request that has ended.
final class RequestLog: AccessLog {
    private let format: Telemetry.LogFormat
    private let writer: LogWriter
    private let clock: any Clock

    init(format: Telemetry.LogFormat, writer: LogWriter, clock: any Clock) {
        self.format = format
        self.writer = writer
        self.clock = clock
    }

    func ended(_ entry: AccessEntry) {
        var line = LogLine(
            format, at: clock.now, level: "info", label: "volery", message: "request ", plain: entry.outcome.text)
        if let code = entry.code { line.add("code", plain: code.rawValue) }
        if let usage = entry.usage { line.add("input_tokens", usage.inputTokens) }
        line.add("latency_ms", Int(entry.latency.microseconds / 1000))
        if let model = entry.model { line.add("model", model) }
        line.add("operation", plain: entry.operation)
        if let usage = entry.usage { line.add("output_tokens", usage.outputTokens) }
        if let price = entry.price { line.add("price", price) }
        line.add("request_id", plain: entry.request)
        if let route = entry.route { line.add("route", plain: route) }
        if let workspace = entry.workspace { line.add("workspace_id", workspace) }
        writer.write(line)
    }
}
