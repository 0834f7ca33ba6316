import Cryptography
import Database
import Flows
import Foundation
import Kernel
import Logging
import ServiceLifecycle
import Synchronization
import Tenancy
import TestKit
import Testing

@testable import App

/// What was logged, as one line of text each.
private final class LoggedLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    var logger: Logger {
        Logger(label: "test") { _ in Handler { line in self.lines.withLock { $0.append(line) } } }
    }

    private struct Handler: LogHandler {
        let note: @Sendable (String) -> Void
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        init(_ note: @escaping @Sendable (String) -> Void) { self.note = note }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            note("\(event.level) \(event.message) \(event.metadata ?? [:])")
        }
    }
}

@Suite("anchoring")
struct AuditAnchoringTests {
    private let samples = Samples()

    private func entry(_ chain: TenantID?) -> AuditEntry {
        AuditEntry(
            id: samples.ids.next(), tenant: chain, at: samples.clock.now, actor: "operator", action: "key.create",
            subject: "x")
    }

    private func service(_ storage: StorageParts, _ installation: Installation, _ log: LoggedLines)
        -> AuditAnchoringService
    {
        let sealer = storage.platformKeys.audit
        let anchors = AnchorFile(
            path: installation.folder.auditAnchorsFile, sealer: sealer.anchors, clock: installation.clock)
        return AuditAnchoringService(
            anchoring: AuditAnchoring(
                store: storage.audit, anchors: anchors, sealer: sealer.chains, clock: installation.clock,
                logger: log.logger),
            wakeUps: storage.wakeUps, clock: installation.clock, logger: log.logger)
    }

    private func anchored(_ storage: StorageParts, _ chain: TenantID?) async throws -> Int64? {
        try await storage.verification.verify(of: chain).chains.first?.anchored
    }

    @Test("an act is anchored by the next look, without anybody's hint, and at once with one")
    func looks() async throws {
        let installation = try Installation()
        let log = LoggedLines()
        let chain: TenantID = samples.ids.next()
        try await installation.using { storage in
            let service = service(storage, installation, log)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await service.run() }
                try await eventually("everybody sleeps") { installation.clock.sleepers == 2 }
                try await storage.audit.append(entry(chain))
                #expect(try await anchored(storage, chain) == nil)
                installation.clock.advance(by: AuditAnchoringService.interval)
                try await eventually("the look") { try await anchored(storage, chain) == 1 }
                try await storage.audit.append(entry(chain))
                try await eventually("the hint") {
                    storage.wakeUps.wake(.audit)
                    return try await anchored(storage, chain) == 2
                }
                group.cancelAll()
                try await group.waitForAll()
            }
        }
        #expect(!log.all.contains { $0.hasPrefix("warning") || $0.hasPrefix("error") })
    }

    @Test("an interval of less than a second is between two looks")
    func interval() { #expect(AuditAnchoringService.interval < .seconds(1)) }

    @Test("heads that moved go to the log every hour, and at the end")
    func logged() async throws {
        let installation = try Installation()
        let log = LoggedLines()
        try await installation.using { storage in
            let service = service(storage, installation, log)
            try await withThrowingTaskGroup(of: Void.self) { group in
                let services = ServiceGroup(
                    services: [service], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
                group.addTask { try await services.run() }
                try await eventually("everybody sleeps") { installation.clock.sleepers == 2 }
                try await storage.audit.append(entry(nil))
                installation.clock.advance(by: AuditAnchoringService.interval)
                try await eventually("the look") { try await anchored(storage, nil) == 1 }
                try await eventually("everybody sleeps") { installation.clock.sleepers == 2 }
                #expect(log.all.isEmpty)
                installation.clock.advance(by: AuditAnchoringService.logInterval)
                try await eventually("the line") { log.all.count == 1 }
                try await storage.audit.append(entry(nil))
                await services.triggerGracefulShutdown()
                try await group.waitForAll()
            }
        }
        #expect(log.all.count == 2)
        let events = try await installation.using { try await $0.audit.events(of: nil, after: 0, limit: 10) }
        for (line, event) in zip(log.all, events) {
            let seal = Hexadecimal.text(event.seal)
            #expect(line.hasPrefix("notice audit head") && line.contains(seal) && line.contains("platform"))
        }
    }

    @Test("a chain that does not hold is told once, moves no anchor, and does not hold up others")
    func broken() async throws {
        let installation = try Installation()
        let log = LoggedLines()
        let (bad, good): (TenantID, TenantID) = (samples.ids.next(), samples.ids.next())
        try await installation.using { storage in
            let anchoring = service(storage, installation, log).anchoring
            for chain in [bad, good] { for _ in 0..<3 { try await storage.audit.append(entry(chain)) } }
            try await anchoring.anchor()
            for chain in [bad, good] { for _ in 0..<3 { try await storage.audit.append(entry(chain)) } }
            try await installation.asIntruder { database in
                _ = try await database.execute(
                    .schema, "UPDATE audit_event SET actor = 'x' WHERE chain = $1 AND sequence = 5", ["\(bad)"])
            }
            for _ in 0..<3 { try await anchoring.anchor(all: true) }
            #expect(try await anchored(storage, bad) == 3)
            #expect(try await anchored(storage, good) == 6)
            let errors = log.all.filter { $0.hasPrefix("error") }
            #expect(errors.count == 1)
            #expect(errors.first?.contains("\(bad)") == true)
        }
    }
}
