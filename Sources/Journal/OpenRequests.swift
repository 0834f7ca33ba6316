import Inference
import Kernel

/// The requests that a replay finds running, with what they consumed last.
struct OpenRequests {
    private var running: [RequestID: (open: OpenRequest, progress: RequestProgress?)] = [:]

    var count: Int { running.count }

    /// Each record once, in the order of the files.
    mutating func note(_ record: JournalRecord) {
        switch record {
        case .open(let open): running[open.request] = (open, running[open.request]?.progress)
        case .progress(let progress): running[progress.request]?.progress = progress
        case .close(let record), .settled(let record): running[record.request] = nil
        case .seal: break
        }
    }

    /// In an order that is the same for the same records.
    var settlements: [UsageRecord] {
        running.values.sorted { $0.open.request < $1.open.request }.map {
            UsageRecord(interrupted: $0.open, after: $0.progress)
        }
    }
}
