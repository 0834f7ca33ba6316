import Database
import Flows
import Gateway
import Kernel
import Logging
import Metrics
import ServiceLifecycle
import UnixSignals

extension Topic {
    /// Something was taken away from credentials.
    static var revocation: Topic { Topic("revocation") }
    /// A keyed request ended.
    static var idempotency: Topic { Topic("idempotency") }
}

/// Brings revocations of all nodes into force: at once when one says so, and by looking in any case.
struct RevocationService: Service {
    static let interval = Duration.milliseconds(500)

    private let failures = Counter(label: "volery_revocation_read_failures_total")
    let follower: RevocationFollower
    let wakeUps: any WakeUps
    let clock: any Kernel.Clock
    let logger: Logger

    init(follower: RevocationFollower, wakeUps: any WakeUps, clock: any Kernel.Clock, logger: Logger) {
        self.follower = follower
        self.wakeUps = wakeUps
        self.clock = clock
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in wakeUps.wakeUps(on: .revocation) { _ = await look() } }
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
                logger.warning(
                    "revocations cannot be read now; keys are accepted for as long as key_max_staleness says",
                    metadata: ["error": "\(error)"])
            }
            isAway = error != nil
        }
    }

    private func look() async -> (any Error)? {
        do {
            try await follower.catchUp()
            return nil
        } catch {
            if Task.isCancelled { return nil }
            failures.increment()
            return error
        }
    }
}

/// Writes down when keys were last used, also the last of it.
struct KeyUseService: Service {
    static let interval = Duration.seconds(60)

    let uses: KeyUses
    let clock: any Kernel.Clock
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await clock.sleep(for: Self.interval)) != nil { await write() }
        }
        await write()
    }

    private func write() async {
        do {
            try await uses.write()
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("the last use of keys cannot be written now", metadata: ["error": "\(error)"])
        }
    }
}

/// Stores the decisions of requests that called nobody, also the last of them.
struct RouteService: Service {
    let routes: PendingRoutes
    let clock: any Kernel.Clock
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var isAway = false
            while (try? await clock.sleep(for: PendingRoutes.interval)) != nil { await write(&isAway) }
        }
        var isAway = false
        await write(&isAway)
    }

    private func write(_ isAway: inout Bool) async {
        do {
            try await routes.write()
            isAway = false
        } catch {
            guard !Task.isCancelled, !isAway else { return }
            isAway = true
            logger.warning("decisions of the router cannot be stored now", metadata: ["error": "\(error)"])
        }
    }
}

/// Takes over the edge's certificate when its files change, and at SIGHUP.
struct CertificateService: Service {
    static let interval = Duration.seconds(5)

    let tls: EdgeTLS
    let clock: any Kernel.Clock
    let logger: Logger

    func run() async throws {
        let hangUps = await UnixSignalsSequence(trapping: .sighup)
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in hangUps { look() } }
                group.addTask { while (try? await clock.sleep(for: Self.interval)) != nil { look() } }
                await group.waitForAll()
            }
        }
    }

    private func look() {
        do {
            if try tls.reload() { logger.notice("the certificate was replaced") }
        } catch {
            logger.error(
                "the new certificate cannot be used; the one before it stays", metadata: ["error": "\(error)"])
        }
    }
}
