import Logging
import TestKit

/// Production's log lines, as events of the trace.
// SAFETY: used on the simulation's thread only.
struct TraceLog: LogHandler, @unchecked Sendable {
    let process: SimulatedProcess
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    /// A logger for a process; one that says nothing where no trace is kept.
    static func logger(of process: SimulatedProcess) -> Logger {
        guard process.simulation.trace.isOn else {
            return Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }
        }
        return Logger(label: "simulation") { _ in TraceLog(process: process) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        guard process.isAlive else { return }
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        // A path under the simulated file system has a number of this process in it.
        let details = all.keys.sorted().filter { $0 != "path" }.map { "\($0)=\(all[$0].map { "\($0)" } ?? "")" }
        process.simulation.note(
            process.name, "log \(event.level) \(event.message) \(details.joined(separator: " "))")
    }
}
