import Foundation
import Inference
import Journal
import Kernel
import Logging
import Tenancy
import TestKit

/// CPU of one thread for each record that it hands to the journal, as an event loop would.
struct JournalBench {
    let folder: String

    func run(records: Int) throws -> String {
        let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        let clock = SystemClock()
        let journal = try SegmentedJournal.open(folder: folder + "/journal", clock: clock, logger: logger)
        let samples = Samples()
        let workspace = samples.workspace()
        let key: KeyID = samples.ids.next()
        let closes = (0..<1000).map { _ in samples.record(in: workspace.id, key: key) }
        let opens = closes.map { record in
            OpenRequest(
                request: record.request, clientRequest: record.clientRequest, workspace: record.workspace,
                key: record.key, operation: record.operation, model: record.model, deployment: record.deployment,
                isStream: record.isStream, attempt: 1, started: record.started)
        }
        let progresses = closes.map {
            RequestProgress(request: $0.request, usage: $0.usage, elapsed: $0.latency, firstToken: $0.firstToken)
        }
        var figures: [String: Double] = [:]
        let rounds = records / 3 / closes.count
        var open = Duration.zero
        var progress = Duration.zero
        var close = Duration.zero
        for _ in 0..<rounds {
            var before = threadTime()
            for record in opens { journal.open(record) }
            var after = threadTime()
            open += after - before
            before = after
            for record in progresses { journal.progress(record) }
            after = threadTime()
            progress += after - before
            before = after
            for record in closes { journal.close(record) }
            close += threadTime() - before
        }
        let count = Double(rounds * closes.count)
        figures["open_us"] = open.seconds * 1e6 / count
        figures["progress_us"] = progress.seconds * 1e6 / count
        figures["close_us"] = close.seconds * 1e6 / count
        journal.close()
        let members = figures.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
        return #"{"system": "journal", "records": \#(records), \#(members.joined(separator: ", "))}"#
    }

    private func threadTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }
}
