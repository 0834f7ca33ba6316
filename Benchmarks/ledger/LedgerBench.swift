import Foundation
import Kernel

/// Measures what the ledger posts in a second, beside a plain loop of `UPDATE … SET balance = balance - 1` over one row
/// in the same database and the same run, and prints both and their ratios.
///
///     ledger-bench <seconds for each figure> <folder for SQLite> [URL of PostgreSQL]
@main
struct LedgerBench {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard (2...3).contains(arguments.count), let seconds = Double(arguments[0]), seconds > 0 else {
            FileHandle.standardError.write(
                Data("usage: ledger-bench SECONDS FOLDER [POSTGRES-URL] (see the source)\n".utf8))
            exit(64)
        }
        var lines = [Figure.header]
        lines += try await run(.sqlite(folder: arguments[1]), seconds)
        if arguments.count == 3 { lines += try await run(.postgres(url: arguments[2]), seconds) }
        FileHandle.standardOutput.write(Data((lines.joined(separator: "\n") + "\n").utf8))
    }

    private static func run(_ engine: BenchEngine, _ seconds: Double) async throws -> [String] {
        let bench = try await LedgerSubject.open(engine, lasting: .milliseconds(Int64(seconds * 1000)))
        let loops = [try await bench.plainLoop(clients: 1), try await bench.plainLoop(clients: 16)]
        var lines = loops.map { $0.line(of: engine.name, beside: loops) }
        for work in LedgerWork.all {
            let figure = try await bench.measure(work)
            lines.append(figure.line(of: engine.name, beside: loops))
        }
        try await bench.close()
        return lines
    }
}

/// So much of one kind of work in so much time.
struct Figure: Sendable {
    let name: String
    let count: Int
    let elapsed: Duration

    static let header =
        "| engine | work | a second | beside one client's loop | beside 16 clients' loop |\n|---|---|---|---|---|"

    var perSecond: Double { Double(count) / elapsed.seconds }

    func line(of engine: String, beside loops: [Figure]) -> String {
        let ratios = loops.map { String(format: "%.1fx", perSecond / $0.perSecond) }
        let rate = String(format: "%.0f", perSecond)
        return "| \(engine) | \(name) | \(rate) | \(ratios.joined(separator: " | ")) |"
    }
}

extension Duration {
    fileprivate var seconds: Double { Double(microseconds) / 1_000_000 }
}
