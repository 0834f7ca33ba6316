import Fleet
import Kernel
import Testing

@testable import volery

@Suite("terminal")
struct TerminalTests {
    @Test("columns line up, numbers to the right, and nothing trails")
    func table() {
        let table = Table(
            [.init("NAME"), .init("N", .right), .init("STATE")], rows: [["a", "1", ""], ["long", "100", "up"]])
        #expect(table.text(usesColor: false) == "NAME    N  STATE\na       1  -\nlong  100  up\n")
    }

    @Test("a cell cannot move the cursor or colour the screen")
    func control() {
        let text = Table([.init("X")], rows: [["a\u{1B}[2Jb\nc\u{9B}d"]]).text(usesColor: false)
        #expect(text == "X\na [2Jb c d\n")
    }

    @Test(
        "colour is for a terminal whose owner did not refuse it",
        arguments: [
            ([:], true, true), (["NO_COLOR": "1"], true, false), (["NO_COLOR": ""], true, true),
            (["TERM": "dumb"], true, false), ([:], false, false),
        ] as [([String: String], Bool, Bool)])
    func color(environment: [String: String], isTerminal: Bool, usesColor: Bool) {
        let terminal = Terminal(
            isDataTerminal: isTerminal, isTalkTerminal: false, width: 80, environment: environment)
        #expect(terminal.usesColor == usesColor)
        #expect(!terminal.isLive)
    }

    private func progress(_ done: Int64, of total: Int64?, rate: Double = 2_000_000) -> FetchProgress {
        FetchProgress(file: "model.gguf", source: "pypi llm 1.0", done: done, total: total, bytesPerSecond: rate)
    }

    @Test("a download says what for, bytes, rate and time to go")
    func line() {
        let line = ProgressText.line("smollm2", progress(45_000_000, of: 90_000_000), width: 200)
        let bar = "[##########..........]  50 %"
        #expect(
            line == "smollm2  \(bar)  45.0 MB of 90.0 MB, 2.0 MB/s, 0:23 to go  model.gguf from pypi llm 1.0")
    }

    @Test("a line never wraps", arguments: [20, 40, 80])
    func width(columns: Int) {
        #expect(ProgressText.line("smollm2", progress(1, of: 90_000_000), width: columns).count < columns)
    }

    @Test("without a size there is no bar and no time; at the end there is no time either")
    func unknown() {
        #expect(
            ProgressText.plain("m", progress(5000, of: nil)) == "m: model.gguf from pypi llm 1.0: 5.0 kB, 2.0 MB/s")
        #expect(
            ProgressText.plain("m", progress(5000, of: 5000, rate: 0))
                == "m: model.gguf from pypi llm 1.0: 5.0 kB of 5.0 kB")
    }

    @Test(
        "times read like a clock",
        arguments: [(0, "0:00"), (3.2, "0:04"), (247, "4:07"), (3729, "1:02:09"), (1e12, "99:59:59")])
    func time(seconds: Double, text: String) {
        #expect(ProgressText.time(seconds) == text)
    }
}

@Suite("pages")
struct PageTests {
    /// Serves the numbers from 0 up to `count` in pages.
    private func page(_ request: PageRequest, of count: Int) -> Page<Int> {
        let start = request.after.flatMap { Int($0) }.map { $0 + 1 } ?? 0
        let rows = Array(start..<min(count, start + request.limit + 1))
        return Page(rows: rows, limit: request.limit) { String($0) }
    }

    @Test("every page is followed, and no item asked for twice", arguments: [0, 1, 999, 1000, 1001, 2500])
    func all(count: Int) async throws {
        #expect(try await everyItem { page($0, of: count) } == Array(0..<count))
    }

    @Test("a limit ends the listing", arguments: [1, 100, 1000, 1500])
    func limit(limit: Int) async throws {
        #expect(try await everyItem(limit: limit) { page($0, of: 2500) } == Array(0..<limit))
    }
}
