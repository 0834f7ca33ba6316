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
struct EdgeService<Server: Service>: Service {
    let server: Server
    let core: GatewayCore
    let drainTimeout: Duration
    let clock: any Kernel.Clock
    let logger: Logger

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
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
