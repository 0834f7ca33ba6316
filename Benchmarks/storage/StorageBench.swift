import Foundation
import Kernel

/// Measures one storage engine under a number of callers, or the journal's append, and writes one line of JSON.
/// `Benchmarks/storage/run.py` calls it in turn with pgbench and writes docs/performance.md.
///
///     storage-bench <sqlite-grouped|sqlite-alone|grdb|postgres|journal> <callers> <seconds> <folder or URL>
@main
struct StorageBench {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.count == 4, let system = arguments.first.flatMap(BenchSystem.init(rawValue:)),
            let callers = Int(arguments[arguments.startIndex + 1]),
            let seconds = Int(arguments[arguments.startIndex + 2]), let place = arguments.last
        else {
            FileHandle.standardError.write(
                Data("usage: storage-bench SYSTEM CALLERS SECONDS PLACE (see the source)\n".utf8))
            exit(64)
        }
        let line: String
        if system == .journal {
            line = try JournalBench(folder: place).run(records: 300_000)
        } else {
            line = try await measure(system, callers: callers, seconds: seconds, place: place)
        }
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }

    private static func measure(
        _ system: BenchSystem, callers: Int, seconds: Int, place: String
    ) async throws -> String {
        let subject = try await system.open(place)
        try await subject.prepare()
        let clock = SystemClock()
        let begin = clock.uptime
        let end = begin + .seconds(seconds)
        let times = try await withThrowingTaskGroup(of: [Duration].self) { group in
            for caller in 0..<callers {
                group.addTask {
                    var times: [Duration] = []
                    var before = clock.uptime
                    while before < end {
                        try await subject.transact(caller, times.count)
                        let after = clock.uptime
                        times.append(after - before)
                        before = after
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }.sorted()
        }
        let elapsed = clock.uptime - begin
        let sum = try await subject.sum()
        try await subject.close()
        // Each transaction added one row and one to a balance: both must tell of as many as were acknowledged.
        guard sum == (rows: times.count, balance: times.count) else {
            FileHandle.standardError.write(Data("acknowledged \(times.count), found \(sum)\n".utf8))
            exit(1)
        }
        func micros(_ share: Double) -> Int64 { times[Int(Double(times.count - 1) * share)].microseconds }
        return """
            {"system": "\(system.rawValue)", "callers": \(callers), "transactions": \(times.count), \
            "seconds": \(elapsed.seconds), "tps": \(Double(times.count) / elapsed.seconds), \
            "p50_us": \(micros(0.5)), "p99_us": \(micros(0.99))}
            """
    }
}
