/// Brings a model's files onto this machine.
package protocol ModelFetcher: Sendable {
    /// Returns the folder that holds every file of the recipe, verified; at once and without any network when they are
    /// there already.
    ///
    /// Safe to call again after any failure: what was fetched before is kept and continued. Cancellation stops at once.
    /// - Throws: `STORAGE_FULL`, `CHECKSUM_MISMATCH`, or `DOWNLOAD_FAILED` with the reason of every source.
    func fetch(_ recipe: Recipe, progress: @escaping @Sendable (FetchProgress) -> Void) async throws -> String
}

/// Makes what a recipe's process needs besides the model's files.
package protocol RuntimePreparer: Sendable {
    /// Returns the path of a Python interpreter that has the recipe's packages; without any network when it was made
    /// before. `progress` gets a line for people.
    /// - Throws: `DEPENDENCY_MISSING` when the machine lacks a program, `DOWNLOAD_FAILED`, `STORAGE_FULL`.
    func prepare(_ recipe: Recipe, progress: @escaping @Sendable (String) -> Void) async throws -> String
}

/// Starts the process of a runtime and keeps it.
package protocol RuntimeDriver: Sendable {
    /// Runs a process until it ends, `body` returns or the task is cancelled, and returns only when the process and
    /// all that descend from it are gone.
    ///
    /// - Parameters:
    ///   - lines: every line that the process writes, bounded in length and rate.
    ///   - body: runs beside the process and is cancelled when that ends. What it returns is the reason to stop it.
    /// - Throws: `CancellationError` when the task was cancelled; a `Problem` when the process could not be started.
    func run(
        _ launch: Launch,
        lines: @escaping @Sendable (String) -> Void,
        body: @escaping @Sendable (RunningProcess) async throws -> String
    ) async throws -> ProcessEnd
}

/// A command with everything filled in.
package struct Launch: Sendable, Equatable {
    /// For logs and messages.
    package let name: String
    package let program: String
    package let arguments: [String]
    /// Beside these the process gets only what every program needs: search path, home, language, time zone.
    package let environment: [String: String]
    package let stopGrace: Duration

    package init(
        name: String, program: String, arguments: [String], environment: [String: String] = [:],
        stopGrace: Duration = .seconds(5)
    ) {
        self.name = name
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.stopGrace = stopGrace
    }
}

package struct RunningProcess: Sendable, Equatable {
    package let pid: Int32

    package init(pid: Int32) { self.pid = pid }
}

package enum ProcessEnd: Sendable, Equatable {
    /// By itself. `status` is the exit code, or 128 + the signal's number; `lastLines` is what it wrote last.
    case exited(status: Int32, lastLines: [String])
    case stopped(reason: String)
}

/// Asks a process whether it is well.
package protocol RuntimeProbe: Sendable {
    /// Nil when it is; else why not, in a few words. Never waits longer than `probe.timeout`.
    func failure(of probe: Probe, at endpoint: Endpoint) async -> String?
}
