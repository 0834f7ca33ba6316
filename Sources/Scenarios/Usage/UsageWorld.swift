import Database
import Inference
import Kernel
import TestKit

/// One run of the scenario: what is around the platform, its lives, and the faults of the plan.
// SAFETY: used on the simulation's thread only.
final class UsageWorld: JournalWitness, @unchecked Sendable {
    let plan: UsagePlan
    let bug: PlantedBug?
    let simulation: Simulation
    let network: SimulatedNetwork
    let disk: SimulatedDisk
    let upstream: SimulatedUpstream
    let certificates: String
    private(set) var clients: [SimulatedClient] = []
    private(set) var lives: [Life] = []
    /// By request identifier.
    private(set) var log: [String: RequestLog] = [:]
    /// How often each of the database's faults took effect.
    private(set) var databaseFigures: [UsagePlan.DatabaseFault.Kind: Int] = [:]
    private(set) var platform: Platform?
    private let outside: SimulatedProcess
    /// Crashes that have not struck.
    private var pending: [UsagePlan.Crash]
    private var operations: [UsagePlan.Crash.File: Int] = [:]
    private var isCalm = false
    private var isRestarting = false
    /// Set while the disk itself sees to what a crash does to it.
    private var isStriking = false
    private var downtime = 50
    private var leakWatch: LeakWatch?

    init(_ simulation: Simulation, plan: UsagePlan, bug: PlantedBug?, snapshot: DiskSnapshot, certificates: String) {
        self.simulation = simulation
        self.plan = plan
        self.bug = bug
        self.certificates = certificates
        network = SimulatedNetwork(simulation, conditions: plan.network)
        disk = SimulatedDisk(copying: snapshot, random: simulation.streams.stream("disk"))
        upstream = SimulatedUpstream(simulation, network: network, plan: plan)
        outside = simulation.makeProcess("clients")
        pending = plan.crashes
        SimulatedVFS.reseed(simulation.streams.stream("sqlite"), clock: outside.clock)
        if bug == .skippedSync { disk.update { $0.syncLies = true } }
        for (index, client) in plan.clients.enumerated() {
            clients.append(SimulatedClient(client, number: index + 1, network: network, process: outside))
        }
        scheduleFaults()
        disk.onOperation { [unowned self] in verdict($0) }
        simulation.onStep = { [unowned self] in strike(atStep: $0) }
        startPlatform()
    }

    var isOver: Bool {
        clients.allSatisfy(\.isDone) && !isRestarting && simulation.elapsed >= faultsEnd
    }

    private var faultsEnd: Duration {
        let ends = plan.databaseFaults.map(\.until) + plan.diskFaults.map(\.until) + plan.cuts.map(\.until)
        let crashes = plan.crashes.compactMap { crash -> Int? in
            if case .time(let time) = crash.moment { time } else { nil }
        }
        return .milliseconds((ends + crashes).max() ?? 0)
    }

    // MARK: The platform's lives

    private func startPlatform() {
        isRestarting = false
        lives.append(Life(isStrict: plan.isStrict))
        let platform = Platform(world: self, life: lives.count - 1)
        self.platform = platform
        if let leakWatch { platform.watch(leakWatch) }
        platform.process.onCrash { [unowned self] kind in died(kind) }
        platform.start()
    }

    private func died(_ kind: DiskCrash) {
        guard let platform, !isEnding else { return }
        lives[platform.life].end = kind == .process ? .killed : .powerCut
        lives[platform.life].hadFailedAppends = platform.files.hasRefused
        isRestarting = true
        let pause = isCalm ? 10 : downtime
        simulation.after(.milliseconds(pause), of: outside) { [unowned self] in
            guard !isEnding else { return }
            startPlatform()
        }
    }

    func noteJournal(of life: Int) { lives[life].hasJournal = true }

    /// The last moments of a life: what `died` says of one that ends, for the one that does not.
    func noteSurvivor() {
        guard let platform, platform.process.isAlive else { return }
        lives[platform.life].hadFailedAppends = platform.files.hasRefused
    }

    // MARK: Faults

    private func scheduleFaults() {
        for cut in plan.cuts {
            let nodes =
                switch cut.between {
                case .clients: [("clients", "platform")]
                case .upstreams: [("gateway", "first"), ("gateway", "second")]
                }
            simulation.after(.milliseconds(cut.from), of: outside) { [unowned self] in
                for (node, other) in nodes where !isCalm {
                    network.cut(node, from: other, for: .milliseconds(cut.until - cut.from))
                }
            }
        }
        for fault in plan.diskFaults {
            simulation.after(.milliseconds(fault.from), of: outside) { [unowned self] in begin(fault) }
            simulation.after(.milliseconds(fault.until), of: outside) { [unowned self] in endDiskFault() }
        }
        for crash in plan.crashes {
            guard case .time(let time) = crash.moment else { continue }
            simulation.after(.milliseconds(time), of: outside) { [unowned self] in crashNow(crash) }
        }
    }

    private func begin(_ fault: UsagePlan.DiskFault) {
        guard !isCalm else { return }
        simulation.note("disk", "fault \(fault.kind.rawValue)")
        let used = disk.paths.reduce(0) { $0 + (disk.contents($1)?.count ?? 0) }
        disk.update { faults in
            switch fault.kind {
            case .failingSync: faults.failingSyncs += 1
            case .failingWrite: faults.failingWrites += 1
            case .full: faults.capacity = used + 300
            case .shortAppends: faults.shortAppendOneIn = 3
            }
        }
    }

    private func endDiskFault() {
        simulation.note("disk", "well again")
        disk.update { faults in
            faults.failingSyncs = 0
            faults.failingWrites = 0
            faults.capacity = nil
            faults.shortAppendOneIn = 0
        }
    }

    var databaseFault: UsagePlan.DatabaseFault.Kind? {
        let now = simulation.elapsed
        guard !isCalm else { return nil }
        return plan.databaseFaults.first { .milliseconds($0.from) <= now && now < .milliseconds($0.until) }?.kind
    }

    func noteDatabase(_ fault: UsagePlan.DatabaseFault.Kind) { databaseFigures[fault, default: 0] += 1 }

    // MARK: Crashes

    private func crashNow(_ crash: UsagePlan.Crash) {
        guard let platform, platform.process.isAlive, let index = pending.firstIndex(of: crash) else { return }
        pending.remove(at: index)
        downtime = crash.downtime
        platform.process.crash(crash.kind)
    }

    private func strike(atStep step: Int) {
        guard let crash = pending.first(where: { $0.moment == .step(step) }) else { return }
        crashNow(crash)
    }

    /// What a life's crash does to the disk, unless the disk struck itself.
    func diskCrash(_ kind: DiskCrash, of mount: Mount) {
        guard !isStriking else { return }
        switch kind {
        case .process: mount.kill()
        case .power: disk.crash(.power)
        }
    }

    private func verdict(_ operation: DiskOperation) -> DiskVerdict {
        simulation.note("disk", Self.text(of: operation))
        guard !isCalm, !pending.isEmpty, let platform, platform.process.isAlive else { return .proceed }
        for kind in Self.kinds(of: operation) {
            operations[kind, default: 0] += 1
            let count = operations[kind, default: 0]
            guard let crash = pending.first(where: { $0.moment == .operation(count, on: kind) }) else { continue }
            isStriking = true
            crashNow(crash)
            isStriking = false
            return switch crash.place {
            case .before: .crashBefore(crash.kind)
            case .within: .crashWithin(crash.kind, bytes: operation.count * crash.share / 16)
            case .after: .crashAfter(crash.kind)
            }
        }
        return .proceed
    }

    private static func text(of operation: DiskOperation) -> String {
        let name = operation.path.split(separator: "/").last ?? ""
        return "\(operation.kind.rawValue) \(name) \(operation.offset)+\(operation.count)"
    }

    private static func kinds(of operation: DiskOperation) -> [UsagePlan.Crash.File] {
        let isJournal = operation.path.hasPrefix(Platform.journalFolder)
        return switch operation.kind {
        case .write: [.any, isJournal ? .journalWrite : .databaseWrite]
        case .sync: [.any, isJournal ? .journalSync : .databaseSync]
        case .create, .truncate, .rename, .remove, .syncFolder: [.any]
        }
    }

    /// Kills the platform that has come to rest: it starts again with nothing to do.
    func restart() { platform?.process.crash(.process) }

    /// The faults end; what still runs may come to its end.
    func calm() {
        simulation.note("world", "calm")
        isCalm = true
        pending = []
        endDiskFault()
        network.calm()
    }

    // MARK: What must be gone afterwards

    func watch(_ watch: LeakWatch) {
        leakWatch = watch
        watch.watch(self, "world")
        watch.watch(simulation, "simulation")
        watch.watch(network, "network")
        watch.watch(disk, "disk")
        watch.watch(outside, "process of the clients")
        watch.watch(upstream, "upstream")
        for client in clients { watch.watch(client, "client") }
        platform?.watch(watch)
    }

    // MARK: What the platform wrote down

    func noteOpen(_ open: OpenRequest, life: Int) -> Int {
        let id = open.request.description
        log[id, default: RequestLog(life: life)].opens.append(RequestLog.Entry(value: open))
        return (log[id]?.opens.count ?? 1) - 1
    }

    func noteProgress(_ progress: RequestProgress) -> Int? {
        let id = progress.request.description
        guard log[id] != nil else { return nil }
        log[id]?.progress.append(RequestLog.Entry(value: progress))
        return (log[id]?.progress.count ?? 1) - 1
    }

    func noteClose(_ record: UsageRecord) {
        log[record.request.description]?.close = RequestLog.Entry(value: record)
    }

    func update(_ id: String, _ change: (inout RequestLog) -> Void) {
        guard var entry = log[id] else { return }
        change(&entry)
        log[id] = entry
    }

    // MARK: End

    private var isEnding = false

    func end() {
        isEnding = true
        disk.onOperation(nil)
        for client in clients { client.end() }
        upstream.end()
        simulation.end()
        platform = nil
        SimulatedVFS.endSimulation()
    }
}
