import Database
import Flows
import Gateway
import Hummingbird
import Journal
import Kernel
import Logging
import NIOCore
import Runtimes
import ServiceLifecycle

/// The port that callers see. Stops accepting at once, lets running requests finish for a while, then ends them with
/// an error that says why.
struct EdgeService: Service {
    /// The port, and with TLS the command line's own socket.
    let servers: [any Service]
    let core: GatewayCore
    let drainTimeout: Duration
    let clock: any Kernel.Clock
    let logger: Logger

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for server in servers { group.addTask { try await server.run() } }
                group.addTask { try await endAfterDraining() }
                try await group.next()
                group.cancelAll()
            }
        } onGracefulShutdown: {
            core.beginDraining()
        }
    }

    private func endAfterDraining() async throws {
        // Throws only when the server ended first; then nothing is left to end.
        guard (try? await gracefulShutdown()) != nil else { return }
        let running = core.requestsInFlight
        if running > 0 { logger.notice("draining", metadata: ["requests": "\(running)", "limit": "\(drainTimeout)"]) }
        let start = clock.uptime
        while core.requestsInFlight > 0, clock.uptime - start < drainTimeout {
            try await clock.sleep(for: .milliseconds(50))
        }
        await core.endAll()
        // Its last connections close now. Who still holds one then, such as a client that does not read, is cut off.
        try await clock.sleep(for: .seconds(5))
    }
}

/// The model services of this machine.
struct FleetService: Service {
    let supervisor: FleetSupervisor
    let starting: [String]

    func run() async throws {
        await cancelWhenGracefulShutdown { await supervisor.run(starting: starting) }
    }
}

/// Carries usage from the journal to the database, also the last of it.
struct ShippingService: Service {
    let journal: SegmentedJournal
    let shipper: JournalShipper

    func run() async throws {
        await cancelWhenGracefulShutdown { await shipper.run() }
        _ = await shipper.drain(within: .seconds(10))
    }
}

/// Takes over what other nodes registered: at once when they say so, and by looking in any case.
struct RegistryService: Service {
    /// So that a change is in force everywhere within two seconds also where nobody heard of it.
    private static let interval = Duration.seconds(1)

    let refresh: RegistryRefresh
    let wakeUps: any WakeUps
    let clock: any Kernel.Clock
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in wakeUps.wakeUps(on: .registry) { _ = await look() } }
                group.addTask { await lookAgainAndAgain() }
                await group.waitForAll()
            }
        }
    }

    private func lookAgainAndAgain() async {
        var isAway = false
        while (try? await clock.sleep(for: Self.interval)) != nil {
            let error = await look()
            if let error, !isAway {
                logger.warning("the registry cannot be read now; routing goes on", metadata: ["error": "\(error)"])
            }
            isAway = error != nil
        }
    }

    private func look() async -> (any Error)? {
        do {
            try await refresh.refresh()
            return nil
        } catch {
            return Task.isCancelled ? nil : error
        }
    }
}
