import Foundation

/// Shares seeds among processes of this program: a simulation is one thread, and SQLite's randomness is a process's.
struct Crew {
    static let progressWord = "progress"

    private let options: Simulate
    private let jobs: Int
    private var progress: Progress

    private struct Worker {
        let process: Process
        let output: FileHandle
    }

    init(_ options: Simulate, jobs: Int) {
        self.options = options
        self.jobs = jobs
        progress = Progress(total: options.runs)
    }

    /// - Returns: whether every seed was good. The first report of a bad one is printed.
    mutating func run() throws -> Bool {
        var workers = try start()
        var rests = Array(repeating: "", count: workers.count)
        var isGood = true
        // In turns: each tells four times a second how far it is, and a report comes last.
        while isGood, !workers.isEmpty {
            for index in workers.indices.reversed() {
                let data = workers[index].output.availableData
                rests[index] += String(decoding: data, as: UTF8.self)
                if data.isEmpty {
                    workers[index].process.waitUntilExit()
                    let isFine = workers[index].process.terminationStatus == 0
                    if !isFine { isGood = report(rests[index], workers[index].process) }
                    workers.remove(at: index)
                    rests.remove(at: index)
                    if !isFine { break }
                } else {
                    rests[index] = note(rests[index])
                }
            }
        }
        for worker in workers where worker.process.isRunning { worker.process.terminate() }
        progress.end()
        if isGood { Output.line(progress.summary) }
        return isGood
    }

    /// Counts what the complete lines say, and keeps the rest.
    private mutating func note(_ text: String) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let unfinished = lines.popLast() ?? ""
        var kept = ""
        for line in lines {
            if line.hasPrefix(Self.progressWord + " "), let count = Int(line.dropFirst(Self.progressWord.count + 1)) {
                _ = progress.add(count)
            } else {
                kept += line + "\n"
            }
        }
        return kept + unfinished
    }

    private mutating func report(_ text: String, _ process: Process) -> Bool {
        progress.end()
        let left = note(text)
        Output.line(left.isEmpty ? "A worker ended with status \(process.terminationStatus) and no report." : left)
        return false
    }

    private func start() throws -> [Worker] {
        try (0..<jobs).map { job in
            let begin = options.runs * job / jobs
            let end = options.runs * (job + 1) / jobs
            let process = Process()
            process.executableURL = URL(fileURLWithPath: Relaunch.executable)
            process.arguments =
                [
                    "--worker", "--seed", "\(options.seed + UInt64(begin))", "--runs", "\(end - begin)",
                    "--scenario", options.scenario,
                ] + (options.bug.map { ["--bug", $0] } ?? [])
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            return Worker(process: process, output: pipe.fileHandleForReading)
        }
    }
}
