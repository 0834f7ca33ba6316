import Fleet
import Kernel
import Synchronization

/// Runs a program to its end, behind the guard like every child, and hands back what it wrote.
struct Tool: Sendable {
    let driver: any RuntimeDriver
    let clock: any Clock

    struct Failure: Error {
        /// 127 when there is no such program.
        let status: Int32
        let lines: [String]

        /// The last line that says something, for a message.
        var reason: String { lines.last { !$0.allSatisfy(\.isWhitespace) } ?? "exit status \(status)" }
    }

    /// - Returns: the first 1000 lines that it wrote.
    /// - Throws: `Failure` when it exits with another status than 0; a `Problem` when it takes longer than `limit`.
    @discardableResult
    func run(
        _ launch: Launch, limit: Duration, line: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> [String] {
        let written = Written()
        let clock = clock
        let end = try await driver.run(launch) { text in
            written.append(text)
            line(text)
        } body: { _ in
            try await clock.sleep(for: limit)
            return "it took longer than \(limit)"
        }
        switch end {
        case .exited(status: 0, lastLines: _): return written.lines
        case .exited(let status, let lastLines): throw Failure(status: status, lines: lastLines)
        case .stopped(let reason): throw Problem(.internalError, "\(launch.name) was stopped: \(reason).")
        }
    }

    private final class Written: Sendable {
        private let kept = Mutex<[String]>([])

        var lines: [String] { kept.withLock { $0 } }

        func append(_ line: String) { kept.withLock { if $0.count < 1000 { $0.append(line) } } }
    }
}
