package import Fleet
package import Kernel
package import Logging
import Metrics
import Synchronization

/// Keeps one model service alive: fetch, prepare, start, watch, and again after a failure.
///
/// The decisions are those of `ServiceMachine`; here is what they do.
package final class ModelSupervisor: Sendable {
    /// What all supervisors of a platform share.
    package struct Tools: Sendable {
        let driver: any RuntimeDriver
        let fetcher: any ModelFetcher
        let preparer: any RuntimePreparer
        let probe: any RuntimeProbe
        let clock: any Clock
        let random: any RandomSource
        let workers: String
        let threads: Int
        let logger: Logger

        /// - Parameters:
        ///   - workers: the folder that `WorkerFolder.write` returned.
        ///   - threads: for recipes that do not say how many they want.
        package init(
            driver: any RuntimeDriver, fetcher: any ModelFetcher, preparer: any RuntimePreparer,
            probe: any RuntimeProbe, clock: any Clock, random: any RandomSource, workers: String, threads: Int,
            logger: Logger
        ) {
            self.driver = driver
            self.fetcher = fetcher
            self.preparer = preparer
            self.probe = probe
            self.clock = clock
            self.random = random
            self.workers = workers
            self.threads = threads
            self.logger = logger
        }
    }

    package let recipe: Recipe
    private let tools: Tools
    private let onChange: @Sendable (ModelServiceStatus) -> Void
    private let logger: Logger
    private let state: Mutex<State>

    private struct State {
        var machine: ServiceMachine
        var folder = ""
        var python = ""
        var pid: Int32?
    }

    /// - Parameter onChange: called after every change, in order, and at most a few times a second while fetching. It
    ///   must return fast, and must not call back.
    package init(recipe: Recipe, tools: Tools, onChange: @escaping @Sendable (ModelServiceStatus) -> Void) {
        self.recipe = recipe
        self.tools = tools
        self.onChange = onChange
        var logger = tools.logger
        logger[metadataKey: "runtime"] = "\(recipe.name)"
        self.logger = logger
        state = Mutex(State(machine: ServiceMachine(policy: recipe.restart, now: tools.clock.now)))
    }

    package var status: ModelServiceStatus {
        state.withLock { ModelServiceStatus(recipe: recipe, machine: $0.machine, pid: $0.pid) }
    }

    /// Runs until the task is cancelled, or until the service fails in a way that time does not mend; then no process
    /// of it is left. May be run again, not twice at once.
    package func run() async {
        // There from the start, so that a rate sees the first restart too.
        restarts.increment(by: 0)
        await withTaskCancellationHandler {
            var effect = apply(.start)
            while let next = effect, !Task.isCancelled {
                let event = await perform(next)
                effect = apply(event)
            }
        } onCancel: {
            // At once, so that nobody sends work to a process that is being stopped.
            apply(.stop)
        }
        guard Task.isCancelled else { return }
        apply(.stop)
        apply(.ended(reason: "stopped"))
    }

    @discardableResult
    private func apply(_ event: ServiceMachine.Event) -> ServiceMachine.Effect? {
        let (effect, wasReady, now) = state.withLock { state in
            let wasReady = if case .ready = state.machine.state { true } else { false }
            let before = (state.machine.state, state.machine.restarts)
            let effect = state.machine.apply(event, clock: tools.clock, random: tools.random)
            if before != (state.machine.state, state.machine.restarts) {
                // Under the lock, so that nobody sees two changes in the wrong order.
                onChange(ModelServiceStatus(recipe: recipe, machine: state.machine, pid: state.pid))
            }
            return (effect, wasReady, state.machine.state)
        }
        report(now, wasReady: wasReady)
        return effect
    }

    private var restarts: Counter {
        Counter(label: "volery_runtime_restarts_total", dimensions: [("runtime", recipe.name)])
    }

    private func report(_ now: ServiceState, wasReady: Bool) {
        let name = recipe.name
        switch now {
        case .ready(let endpoint) where !wasReady:
            Gauge(label: "volery_runtime_ready", dimensions: [("runtime", name)]).record(1)
            logger.info("model service is ready", metadata: ["endpoint": "\(endpoint.url)"])
        case .backingOff(let backoff):
            Gauge(label: "volery_runtime_ready", dimensions: [("runtime", name)]).record(0)
            restarts.increment()
            logger.error(
                backoff.isCrashLoop ? "model service is in a crash loop" : "model service failed",
                metadata: ["failures": "\(backoff.failures)", "reason": "\(backoff.reason)"])
        case .failed(let problem):
            logger.error("model service cannot run", metadata: ["reason": "\(problem.message)"])
        case .stopping where wasReady:
            Gauge(label: "volery_runtime_ready", dimensions: [("runtime", name)]).record(0)
        case .stopped, .fetching, .preparing, .starting, .ready, .stopping: break
        }
    }

    // MARK: Effects: each ends in one event

    private func perform(_ effect: ServiceMachine.Effect) async -> ServiceMachine.Event {
        do {
            switch effect {
            case .fetch:
                let folder = try await tools.fetcher.fetch(recipe) { self.apply(.fetchProgressed($0)) }
                state.withLock { $0.folder = folder }
                return .fetched
            case .prepare:
                let python = try await tools.preparer.prepare(recipe) { self.apply(.prepareProgressed($0)) }
                state.withLock { $0.python = python }
                return .prepared
            case .launch:
                return .ended(reason: try await runProcess())
            case .wait(let duration):
                try await tools.clock.sleep(for: duration)
                return .backoffElapsed
            }
        } catch is CancellationError {
            return .stop
        } catch let problem as Problem {
            return .couldNot(problem, isRetryable: problem.mayPass)
        } catch {
            logger.error("unexpected failure of a model service", metadata: ["error": "\(error)"])
            return .couldNot(Problem(.internalError, "An unexpected failure: \(error)."), isRetryable: true)
        }
    }

    /// - Returns: why the process is no more.
    private func runProcess() async throws -> String {
        let endpoint = Endpoint(host: "127.0.0.1", port: try FreePort.next())
        let launch = launch(at: endpoint)
        let logger = logger
        defer { state.withLock { $0.pid = nil } }
        let end = try await tools.driver.run(launch) { line in
            logger.info("\(line)", metadata: ["stream": "output"])
        } body: { process in
            self.state.withLock { $0.pid = process.pid }
            return try await self.watch(endpoint)
        }
        switch end {
        case .exited(let status, let lines):
            for line in lines.suffix(5) { logger.warning("last output", metadata: ["line": "\(line)"]) }
            let last = lines.last { !$0.allSatisfy(\.isWhitespace) }.map { ": \($0.prefix(300))" } ?? ""
            return describe(status) + last
        case .stopped(let reason): return reason
        }
    }

    private func describe(_ status: Int32) -> String {
        switch status {
        case 127: "its program was not found"
        case 126: "its program cannot be run"
        case 129...159: "ended by signal \(status - 128)"
        default: "ended with exit status \(status)"
        }
    }

    private func launch(at endpoint: Endpoint) -> Launch {
        let (folder, python) = state.withLock { ($0.folder, $0.python) }
        let threads = recipe.resources.threads ?? tools.threads
        let fill: (Template.Placeholder) -> String = { [recipe, tools] placeholder in
            switch placeholder {
            case .model: recipe.files.first.map { folder + "/" + $0.name } ?? folder
            case .folder: folder
            case .workers: tools.workers
            case .python: python
            case .host: endpoint.host
            case .port: String(endpoint.port)
            case .threads: String(threads)
            case .context: String(recipe.card.contextLimit)
            case .parallel: String(recipe.process.parallel)
            case .name: recipe.card.upstreamName
            }
        }
        let command = recipe.process.command.map { $0.filled(fill) }
        return Launch(
            name: recipe.name, program: command.first ?? "", arguments: Array(command.dropFirst()),
            environment: recipe.process.environment.mapValues { $0.filled(fill) },
            stopGrace: recipe.process.stopGrace)
    }

    /// Waits for the first good answer, then for the moment when good answers cease.
    private func watch(_ endpoint: Endpoint) async throws -> String {
        let probe = recipe.probe
        let clock = tools.clock
        let started = clock.uptime
        while let failure = await tools.probe.failure(of: probe, at: endpoint) {
            try Task.checkCancellation()
            if clock.uptime - started >= probe.startTimeout {
                return "did not become ready within \(probe.startTimeout): \(failure)"
            }
            try await clock.sleep(for: .milliseconds(100))
        }
        try Task.checkCancellation()
        apply(.becameReady(endpoint))
        Timer(label: "volery_runtime_start_seconds", dimensions: [("runtime", recipe.name)])
            .recordNanoseconds((clock.uptime - started).microseconds * 1000)
        var misses = 0
        while true {
            try await clock.sleep(for: probe.interval)
            guard let failure = await tools.probe.failure(of: probe, at: endpoint) else {
                misses = 0
                continue
            }
            try Task.checkCancellation()
            misses += 1
            logger.warning("health probe failed", metadata: ["reason": "\(failure)", "in_a_row": "\(misses)"])
            if misses >= probe.failures { return "stopped answering: \(failure)" }
        }
    }
}

extension Problem {
    /// Whether trying again by itself makes sense, or somebody has to do something first.
    fileprivate var mayPass: Bool {
        switch code {
        case .checksumMismatch, .dependencyMissing, .configurationInvalid: false
        default: true
        }
    }
}
