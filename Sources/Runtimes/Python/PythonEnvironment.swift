import Crypto
package import Fleet
package import Kernel
package import Logging
package import SystemPackage

/// Python for the workers: the machine's own where a recipe needs no packages, else a virtual environment below
/// `python/`, one for each set of requirements, made once.
package struct PythonEnvironment: RuntimePreparer {
    private let root: FilePath
    private let python: String
    private let settings: [String: String]
    private let tool: Tool
    private let clock: any Clock
    private let logger: Logger
    private let turns = Turns()

    /// - Parameters:
    ///   - environment: of this process; only what steers pip and its way to the network is passed on.
    ///   - python: program that makes the environments.
    package init(
        dataFolder: FilePath, environment: [String: String], driver: any RuntimeDriver, clock: any Clock,
        logger: Logger, python: String = "python3"
    ) {
        root = dataFolder.appending("python")
        self.python = python
        settings = environment.filter { name, _ in
            name.hasPrefix("PIP_") || name == "REQUESTS_CA_BUNDLE" || name.lowercased().hasSuffix("_proxy")
        }
        tool = Tool(driver: driver, clock: clock)
        self.clock = clock
        self.logger = logger
    }

    package func prepare(
        _ recipe: Recipe, progress: @escaping @Sendable (String) -> Void
    ) async throws -> String {
        let needs = recipe.python ?? PythonNeeds.none
        guard !needs.requirements.isEmpty || recipe.process.usesPython else { return python }
        let found = try await interpreter()
        if needs.requirements.isEmpty { return found.path }
        let folder = root.appending(PythonEnvironment.name(needs, version: found.version))
        let inside = folder.appending("bin").appending("python").string
        // One at a time: two recipes may need the same environment, and pip takes the whole machine anyway.
        return try await turns.take {
            if DataFiles.size(folder.appending(PythonEnvironment.marker)) != nil { return inside }
            try await make(folder, needs, progress)
            return inside
        }
    }

    private static let marker = "volery-complete"

    private static func name(_ needs: PythonNeeds, version: String) -> String {
        var sum = Checksum()
        Array((needs.requirements + [version]).joined(separator: "\n").utf8).withUnsafeBytes { sum.take($0) }
        return String(sum.hexadecimal().prefix(16))
    }

    private func interpreter() async throws -> (path: String, version: String) {
        let script = "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])"
        do {
            let launch = Launch(name: "python", program: python, arguments: ["-I", "-c", script])
            let lines = try await tool.run(launch, limit: .seconds(60))
            guard lines.count >= 2 else { throw PythonEnvironment.missing(python) }
            return (lines[0], lines[1])
        } catch is Tool.Failure {
            throw PythonEnvironment.missing(python)
        }
    }

    static func missing(_ python: String) -> Problem {
        Problem(
            .dependencyMissing, "\(python) does not run on this machine; model workers need Python 3.10 or later.",
            hint: "Debian and Ubuntu: sudo apt-get install python3 python3-venv")
    }

    /// Made in place, since an environment cannot be moved; the marker says that it is complete.
    private func make(
        _ folder: FilePath, _ needs: PythonNeeds, _ progress: @escaping @Sendable (String) -> Void
    ) async throws {
        try DataFiles.makeFolder(root)
        try DataFiles.remove(folder)
        try DataFiles.requireSpace(needs.bytes * 4, in: root)
        progress("making a Python environment")
        do {
            try await run("venv", python, ["-m", "venv", folder.string], limit: .seconds(300))
        } catch let failure as Tool.Failure {
            try DataFiles.remove(folder)
            throw PythonEnvironment.venvProblem(failure)
        }
        let list = folder.appending("requirements.txt")
        try DataFiles.write((needs.requirements.joined(separator: "\n") + "\n").utf8, to: list)
        try await install(list, needs, folder, progress)
        try DataFiles.write("".utf8, to: folder.appending(PythonEnvironment.marker))
        logger.info("python environment made", metadata: ["folder": "\(folder)"])
    }

    private static func venvProblem(_ failure: Tool.Failure) -> Problem {
        let text = failure.lines.joined(separator: " ")
        if text.contains("ensurepip") || text.contains("No module named venv") {
            return Problem(
                .dependencyMissing, "Python's venv module is not installed; model workers need it.",
                hint: "Debian and Ubuntu: sudo apt-get install python3-venv")
        }
        if text.contains("No space left on device") { return Problem(.storageFull) }
        return Problem(.dependencyMissing, "Python could not make an environment: \(failure.reason).")
    }

    private func install(
        _ list: FilePath, _ needs: PythonNeeds, _ folder: FilePath, _ progress: @escaping @Sendable (String) -> Void
    ) async throws {
        let names = needs.requirements.map { $0.prefix { $0 != " " }.replacing("==", with: " ") }
        let what = "installing \(names.joined(separator: ", "))"
        progress(what)
        let temporary = folder.appending("tmp")
        try DataFiles.makeFolder(temporary)
        let clock = clock
        try await withThrowingTaskGroup(of: Void.self) { group in
            // pip says nothing of use about progress when nobody sits at a terminal; its temporary folder does.
            group.addTask {
                while true {
                    try await clock.sleep(for: .milliseconds(500))
                    let done = (try? DataFiles.diskUse(temporary)) ?? 0
                    guard done > 0, needs.bytes > 0 else { continue }
                    progress(
                        "\(what): \(DataFiles.megabytes(min(done, needs.bytes))) of \(DataFiles.megabytes(needs.bytes))"
                    )
                }
            }
            defer { group.cancelAll() }
            do {
                let arguments = [
                    "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-cache-dir",
                    "--only-binary=:all:", "--progress-bar=off", "-r", list.string,
                ]
                try await run(
                    "pip", folder.appending("bin").appending("python").string, arguments, limit: .seconds(3600),
                    ["TMPDIR": temporary.string])
            } catch let failure as Tool.Failure {
                try? DataFiles.remove(folder)
                if failure.lines.contains(where: { $0.contains("No space left on device") }) {
                    throw Problem(.storageFull)
                }
                let reason = failure.lines.last { $0.hasPrefix("ERROR:") } ?? failure.reason
                throw Problem(.downloadFailed, "\(what) failed. pip says: \(reason)")
            }
        }
        try DataFiles.remove(temporary)
    }

    private func run(
        _ name: String, _ program: String, _ arguments: [String], limit: Duration, _ extra: [String: String] = [:]
    ) async throws {
        let logger = logger
        let environment = settings.merging(extra) { _, new in new }
        let launch = Launch(name: name, program: program, arguments: arguments, environment: environment)
        try await tool.run(launch, limit: limit) { logger.debug("\($0)", metadata: ["tool": "\(name)"]) }
    }
}

extension ProcessRecipe {
    fileprivate var usesPython: Bool {
        (command + environment.values).contains { $0.parts.contains(.placeholder(.python)) }
    }
}

/// Lets one caller in at a time, in the order of their coming.
actor Turns {
    private static let mostWaiting = 1024

    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// A caller that is cancelled while it waits goes on waiting for its turn, and then finds itself cancelled.
    func take<Value: Sendable>(_ work: @Sendable () async throws -> Value) async throws -> Value {
        if isTaken {
            guard waiting.count < Turns.mostWaiting else { throw Problem(.overloaded) }
            await withCheckedContinuation { waiting.append($0) }
        }
        isTaken = true
        defer {
            if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
        }
        try Task.checkCancellation()
        return try await work()
    }
}
