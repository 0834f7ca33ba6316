import App
import AsyncHTTPClient
import Flows
import Foundation
import Kernel
import Logging

/// What a command works with: settings, the machine's clock, the terminal, and the way to the platform.
struct CommandContext: Sendable {
    let report: ConfigurationReport
    private let flags: [String: String]
    let environment: [String: String]
    let terminal: Terminal
    let clock = SystemClock()
    let random = SystemRandom()
    /// Commands say what matters through the terminal; only `serve` logs.
    let logger = Logger(label: "volery") { _ in SwiftLogNoOpLogHandler() }

    /// - Parameter flags: settings that the command line gave, by key, beside the global ones.
    init(_ options: GlobalOptions, flags: [String: String] = [:]) {
        environment = SecretEnvironment.values
        terminal = Terminal.standard()
        self.flags = options.flags.merging(flags) { _, own in own }
        report = Configuration.load(flags: self.flags, environment: environment)
    }

    /// Reads the settings once more.
    func settingsNow() -> ConfigurationReport { Configuration.load(flags: flags, environment: environment) }

    func configuration() throws -> Configuration { try report.checked() }

    /// Runs `body` with the platform that serves the data folder, or with its database when none does.
    /// - Parameter begins: whether a data folder that is not there is made.
    func control<Answer: Sendable>(
        begins: Bool = false, _ body: @Sendable (any Control) async throws -> Answer
    ) async throws -> Answer {
        try await access { access, _ in try await access.use(begins: begins, body) }
    }

    /// The same for what looks at everything there is. Whoever waits for long is told now and then what for.
    func control<Answer: Sendable>(
        patiently what: String, _ body: @Sendable (any Control) async throws -> Answer
    ) async throws -> Answer {
        try await withThrowingTaskGroup(of: Never.self) { group in
            group.addTask {
                let began = clock.uptime
                try await clock.sleep(for: .seconds(3))
                while true {
                    terminal.talk("\(what); \(Int((clock.uptime - began).microseconds / 1_000_000)) s so far\n")
                    try await clock.sleep(for: .seconds(10))
                }
            }
            defer { group.cancelAll() }
            return try await control(body)
        }
    }

    func access<Answer: Sendable>(
        _ body: @Sendable (ControlAccess, HTTPClient) async throws -> Answer
    ) async throws -> Answer {
        let configuration = try configuration()
        return try await HTTPClient.withHTTPClient(configuration: .sameMachine) { client in
            let access = ControlAccess(
                configuration: configuration, environment: environment, client: client, clock: clock,
                random: random, logger: logger)
            return try await body(access, client)
        }
    }

    func models<Answer: Sendable>(
        _ body: @Sendable (ModelStock) async throws -> Answer
    ) async throws -> Answer {
        try await ModelStock.open(
            dataDir: try configuration().dataDir, environment: environment, clock: clock, logger: logger, body)
    }
}

/// Follows a listing's pages until it ends or `limit` items are there.
func everyItem<Item: Sendable>(
    limit: Int = 100_000, _ page: (PageRequest) async throws -> Page<Item>
) async throws -> [Item] {
    var items: [Item] = []
    var after: String?
    while items.count < limit {
        let size = min(PageRequest.allowed.upperBound, limit - items.count)
        let next = try await page(PageRequest(limit: size, after: after))
        items += next.data
        guard next.hasMore, let last = next.lastID else { break }
        after = last
    }
    return items
}
