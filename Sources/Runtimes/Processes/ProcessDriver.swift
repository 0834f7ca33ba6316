package import Fleet
package import Kernel
package import Logging
import Subprocess
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Runs a runtime as a child of this process, behind the guard, in a process group of its own.
package struct ProcessDriver: RuntimeDriver {
    /// How to start this binary again as the guard.
    package struct Guard: Sendable {
        package let program: String
        let arguments: [String]

        /// - Parameter program: a binary whose `main` begins with `GuardEntry.runIfAsked`.
        package init(program: String) {
            self.program = program
            arguments = [GuardEntry.word]
        }

        /// The running binary, also when its file was replaced meanwhile.
        package static let thisBinary = Guard(program: "/proc/self/exe")
    }

    /// What a child inherits by name; everything else stays out, provider keys before all.
    static let inherited = [
        "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ]

    private let guardian: Guard
    private let clock: any Clock
    private let logger: Logger

    package init(guard guardian: Guard = .thisBinary, clock: any Clock, logger: Logger) {
        self.guardian = guardian
        self.clock = clock
        self.logger = logger
    }

    package func run(
        _ launch: Launch,
        lines: @escaping @Sendable (String) -> Void,
        body: @escaping @Sendable (RunningProcess) async throws -> String
    ) async throws -> ProcessEnd {
        try Task.checkCancellation()
        let output = ProcessOutput(clock: clock, forward: lines)
        let configuration = configuration(for: launch)
        let end: ProcessEnd?
        let status: TerminationStatus
        do {
            let result = try await Subprocess.run(
                configuration, input: .none, output: .sequence, error: .combinedWithOutput
            ) { execution in
                try await attend(execution, launch, output, body)
            }
            end = result.closureResult
            status = result.terminationStatus
        } catch let error as SubprocessError {
            throw Problem(
                .internalError, "\(launch.name): the process could not be started.",
                hint: "\(error)")
        }
        if Task.isCancelled { throw CancellationError() }
        return end ?? .exited(status: status.code, lastLines: output.lastLines)
    }

    private func configuration(for launch: Launch) -> Configuration {
        var options = PlatformOptions()
        options.processGroupID = 0
        options.teardownSequence = ProcessDriver.teardown(grace: launch.stopGrace)
        var environment: [Environment.Key: String] = [:]
        for name in ProcessDriver.inherited {
            guard let value = getenv(name), let key = Environment.Key(rawValue: name) else { continue }
            environment[key] = String(cString: value)
        }
        for (name, value) in launch.environment {
            if let key = Environment.Key(rawValue: name) { environment[key] = value }
        }
        return Configuration(
            executable: .path(FilePath(guardian.program)),
            arguments: Arguments(
                executablePathOverride: "volery",
                remainingValues: guardian.arguments + [String(getpid()), launch.program] + launch.arguments),
            environment: .custom(environment),
            platformOptions: options
        )
    }

    /// TERM goes to the guard, which passes it to the child alone. USR2 makes the guard kill the whole tree; should the
    /// guard itself hang, its group is killed at the end.
    private static func teardown(grace: Duration) -> [TeardownStep] {
        [
            .send(signal: .terminate, toProcessGroup: false, allowedDurationToNextStep: grace),
            .send(signal: .userDefinedTwo, toProcessGroup: false, allowedDurationToNextStep: .seconds(2)),
            .send(signal: .userDefinedTwo, toProcessGroup: true, allowedDurationToNextStep: .seconds(1)),
        ]
    }

    private enum Happening: Sendable {
        case ended
        case stop(reason: String)
        case bodyFailed(any Error)
    }

    /// - Returns: nil when the process ended by itself.
    private func attend(
        _ execution: Execution<NoInput, SequenceOutput, CombinedErrorOutput>,
        _ launch: Launch,
        _ output: ProcessOutput,
        _ body: @escaping @Sendable (RunningProcess) async throws -> String
    ) async throws -> ProcessEnd? {
        let pid = execution.processIdentifier.value
        let bytes = execution.standardOutput
        let clock = clock
        return try await withThrowingTaskGroup(of: Happening.self) { group in
            group.addTask {
                await output.drain(bytes)
                // A process may close its output and live on.
                while isRunning(pid) { try await clock.sleep(for: .milliseconds(50)) }
                return .ended
            }
            group.addTask {
                do {
                    let runtime = try await runtimePID(ofGuard: pid, clock)
                    return .stop(reason: try await body(RunningProcess(pid: runtime)))
                } catch {
                    return .bodyFailed(error)
                }
            }
            let first = try? await group.next()
            await execution.teardown(using: ProcessDriver.teardown(grace: launch.stopGrace))
            group.cancelAll()
            try? await group.waitForAll()
            switch first {
            case .ended: return nil
            case .stop(let reason): return .stopped(reason: reason)
            case .bodyFailed(let error): throw error
            case nil: throw CancellationError()
            }
        }
    }
}

extension TerminationStatus {
    /// The guard passes the child's end on as an exit code; a signal here ended the guard itself.
    fileprivate var code: Int32 {
        switch self {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal
        }
    }
}

/// Whether a child of ours still runs; it is left to be reaped by whoever waits for it.
private func isRunning(_ pid: Int32) -> Bool {
    var information = siginfo_t()
    guard waitid(P_PID, id_t(pid), &information, WEXITED | WNOHANG | WNOWAIT) == 0 else { return false }
    #if canImport(Glibc)
        return information._sifields._sigchld.si_pid == 0
    #else
        return information.si_pid == 0
    #endif
}

/// The guard's child, which is what people mean by the runtime's process. It is there a moment after the guard; should
/// it never be seen, the guard stands for it.
private func runtimePID(ofGuard pid: Int32, _ clock: any Clock) async throws -> Int32 {
    for _ in 0..<200 {
        if let child = firstChild(of: pid) { return child }
        try await clock.sleep(for: .milliseconds(5))
    }
    return pid
}

private func firstChild(of pid: Int32) -> Int32? {
    guard let file = fopen("/proc/\(pid)/task/\(pid)/children", "re") else { return nil }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 64)
    guard fgets(&buffer, Int32(buffer.count), file) != nil else { return nil }
    let digits = buffer.prefix { (0x30...0x39).contains($0) }.map { UInt8(bitPattern: $0) }
    return Int32(String(decoding: digits, as: UTF8.self))
}

/// Where a process's output goes: in lines, bounded, with the last ones kept.
private final class ProcessOutput: Sendable {
    private struct State {
        var splitter = LineSplitter()
        var budget: LineBudget
        var tail = LineTail()
    }

    private let state: Mutex<State>
    private let clock: any Clock
    private let forward: @Sendable (String) -> Void

    init(clock: any Clock, forward: @escaping @Sendable (String) -> Void) {
        state = Mutex(State(budget: LineBudget(now: clock.uptime)))
        self.clock = clock
        self.forward = forward
    }

    var lastLines: [String] { state.withLock { $0.tail.lines } }

    /// Reads to the end. A read that fails ends the output as well: the process is gone or about to be.
    func drain(_ bytes: SubprocessOutputSequence) async {
        do {
            for try await buffer in bytes {
                let chunk = buffer.withUnsafeBytes { Array($0) }
                pass(state.withLock { $0.splitter.take(chunk) })
            }
        } catch {}
        if let rest = state.withLock({ $0.splitter.finish() }) { pass([rest]) }
    }

    private func pass(_ lines: [String]) {
        for line in lines {
            let verdict = state.withLock { state in
                state.tail.append(line)
                return state.budget.next(now: clock.uptime)
            }
            guard case .pass(let held) = verdict else { continue }
            if held > 0 { forward("(\(held) lines held back: the process writes too fast)") }
            forward(line)
        }
    }
}
