import Foundation
import Kernel

/// Measures what the ledger posts in a second, beside a plain loop of `UPDATE … SET balance = balance - 1` over one row
/// in the same database, and prints a line of JSON for each figure. `Benchmarks/ledger/run.py` calls it in turn with
/// loops of other programs, and writes docs/performance.md.
///
///     ledger-bench <seconds for each figure> <folder for SQLite, or URL of PostgreSQL>
@main
struct LedgerBench {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count == 2, let seconds = Double(arguments[0]), seconds > 0 else {
            FileHandle.standardError.write(Data("usage: ledger-bench SECONDS FOLDER-OR-URL (see the source)\n".utf8))
            exit(64)
        }
        let bench = try await LedgerSubject.open(
            BenchEngine(arguments[1]), lasting: .milliseconds(Int64(seconds * 1000)))
        for work in LedgerWork.all { try tell(try await bench.measure(work)) }
        try await bench.close()
    }

    private static func tell(_ figure: Figure) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        FileHandle.standardOutput.write(try encoder.encode(figure) + Data("\n".utf8))
    }
}

/// So much of one kind of work in so much time.
struct Figure: Sendable, Encodable {
    let work: String
    let callers: Int
    let batch: Int
    let accounts: Int
    /// Updates, groups that were posted, or requests that were settled.
    let count: Int
    let transfers: Int
    let seconds: Double
}
