import Billing
import Database
import Flows
import Inference
import Kernel
import TestKit

/// One run of the scenario: the database, the nodes with their lives, and the faults of the plan.
// SAFETY: used on the simulation's thread only.
final class MoneyWorld: @unchecked Sendable {
    /// When the nodes start; before it, budgets and prices are set, hours earlier by every clock.
    static let epoch = Duration.milliseconds(500)
    private static let age = Duration.seconds(6 * 3600)

    let plan: MoneyPlan
    let prices: PlanPrices
    let bug: MoneyBug?
    let simulation: Simulation
    let town: Town
    let server: DatabaseServer
    let watch: LedgerWatch
    let nodes: [NodeRecord]
    /// What is between everybody, and always there.
    let outside: SimulatedProcess
    let anchors = AnchorBook()
    /// From the simulation's clock to the right one.
    let skew: Duration
    private(set) var tracks: [RequestTrack] = []
    /// Budgets in the order of the plan's.
    var budgets: [Budget] = []
    var grants: [(place: Int, grant: CreditGrant)] = []
    var limits: [RateLimit] = []
    private(set) var faultFigures: [MoneyPlan.Fault.Kind: Int] = [:]
    /// Requests that found nobody.
    private(set) var unsent = 0
    /// Requests that were told that nothing is left for them.
    var spentRefusals = 0
    private(set) var isCalm = false
    private var due: Int
    private var pending: [MoneyPlan.Crash]
    private var isEnding = false
    private var leakWatch: LeakWatch?

    init(_ simulation: Simulation, plan: MoneyPlan, bug: MoneyBug?, town: Town) {
        self.simulation = simulation
        self.plan = plan
        self.bug = bug
        self.town = town
        prices = PlanPrices(plan: plan)
        skew = Self.age - Self.epoch - .milliseconds(plan.hourEnds)
        outside = simulation.makeProcess("outside", skew: skew)
        watch = LedgerWatch(simulation)
        server = DatabaseServer(simulation, snapshot: town.snapshot)
        pending = plan.crashes
        due = plan.requests.count
        nodes = plan.nodes.enumerated().map { index, node in
            NodeRecord(
                index, node, id: NodeID(ULID(high: 9, low: UInt64(index))),
                disk: SimulatedDisk(random: simulation.streams.stream("disk of node\(index)")))
        }
        SimulatedVFS.reseed(simulation.streams.stream("sqlite"), clock: outside.clock)
        for node in nodes {
            node.disk.onOperation { [unowned self, unowned node] in verdict($0, at: node) }
        }
    }

    /// By the database's clock, for a time of the plan.
    func instant(_ time: Int) -> Instant { SimulatedClock.beginning + Self.epoch + skew + .milliseconds(time) }

    /// Milliseconds of the plan that have passed.
    var time: Int { Int((simulation.elapsed - Self.epoch).microseconds / 1000) }

    // MARK: Beginning

    /// Everything is set up, and its hour has come.
    func open() {
        server.close()
        _ = simulation.run(until: Self.epoch)
        server.start(skew: skew)
        for node in nodes { start(node) }
        for request in plan.requests { at(request.at) { [unowned self] in send(request) } }
        scheduleFaults()
        runChores()
    }

    private func at(_ time: Int, _ action: @escaping () -> Void) {
        simulation.after(Self.epoch + .milliseconds(time) - simulation.elapsed, of: outside) { [unowned self] in
            if !isEnding { action() }
        }
    }

    private func send(_ request: MoneyPlan.Request) {
        due -= 1
        // Whoever finds a node gone asks another.
        let order = nodes[request.node...] + nodes[..<request.node]
        if order.contains(where: { $0.current?.take(request) ?? false }) { return }
        unsent += 1
    }

    // MARK: Lives

    private func start(_ record: NodeRecord) {
        record.isComing = false
        record.lives.append(Life(isStrict: plan.isStrict))
        let node = MoneyNode(world: self, record: record, life: record.lives.count - 1)
        record.current = node
        if let leakWatch { node.watch(leakWatch) }
        node.process.onCrash { [unowned self, unowned record] kind in died(record, kind) }
        node.start()
    }

    private func died(_ record: NodeRecord, _ kind: DiskCrash) {
        guard !isEnding else { return }
        record.noteEnd(kind == .process ? .killed : .powerCut)
        if record.isLost || record.isRetired { return }
        record.isComing = true
        let pause = isCalm ? 10 : record.downtime
        simulation.after(.milliseconds(pause), of: outside) { [unowned self, unowned record] in
            if !isEnding, record.isComing { start(record) }
        }
    }

    /// Stops every node for good.
    func stopAll() {
        for node in nodes where !node.isLost {
            node.isRetired = true
            node.current?.stop()
        }
    }

    var areAllStopped: Bool { nodes.allSatisfy { !($0.current?.process.isAlive ?? false) } }

    // MARK: Faults

    private func scheduleFaults() {
        for crash in plan.crashes {
            guard case .time(let time) = crash.moment else { continue }
            at(time) { [unowned self] in crashNow(crash) }
        }
        for crash in plan.serverCrashes {
            at(crash.at) { [unowned self] in
                guard !isCalm, server.process?.isAlive ?? false else { return }
                watch.doubt()
                server.crash(crash.kind)
                simulation.after(.milliseconds(crash.downtime), of: outside) { [unowned self] in
                    if !isEnding, !server.isServing { server.start() }
                }
            }
        }
        for step in plan.steps {
            at(step.at) { [unowned self] in
                simulation.note("world", "the clock of node\(step.node) is set by \(step.seconds) s")
                nodes[step.node].clockOffset += step.seconds * 1000
            }
        }
        for drain in plan.drains {
            at(drain.at) { [unowned self] in
                let node = nodes[drain.node]
                guard !isCalm, !node.isLost else { return }
                node.downtime = drain.downtime
                node.current?.stop()
            }
        }
    }

    func fault(of node: Int) -> MoneyPlan.Fault.Kind? {
        guard !isCalm, !plan.faults.isEmpty else { return nil }
        let now = time
        return plan.faults.first { $0.node == node && $0.from <= now && now < $0.until }?.kind
    }

    func noteFault(_ kind: MoneyPlan.Fault.Kind) { faultFigures[kind, default: 0] += 1 }

    private func crashNow(_ crash: MoneyPlan.Crash) {
        let record = nodes[crash.node]
        guard let index = pending.firstIndex(of: crash), let node = record.current, node.process.isAlive else { return }
        pending.remove(at: index)
        if let downtime = crash.downtime {
            record.downtime = downtime
        } else {
            simulation.note("world", "\(record.name) is lost for good")
            record.isLost = true
        }
        node.process.crash(crash.kind)
    }

    private func verdict(_ operation: DiskOperation, at record: NodeRecord) -> DiskVerdict {
        guard !isCalm, record.current?.process.isAlive ?? false else { return .proceed }
        record.operations += 1
        let count = record.operations
        guard
            let crash = pending.first(where: { $0.node == record.index && $0.moment == .operation(count) })
        else { return .proceed }
        record.isStriking = true
        crashNow(crash)
        record.isStriking = false
        return switch crash.place {
        case .before: .crashBefore(crash.kind)
        case .within: .crashWithin(crash.kind, bytes: operation.count * crash.share / 16)
        case .after: .crashAfter(crash.kind)
        }
    }

    // MARK: How far it is

    private var faultsEnd: Int {
        let times =
            plan.faults.map(\.until) + plan.serverCrashes.map { $0.at + $0.downtime } + plan.drains.map(\.at)
            + plan.crashes.compactMap { crash -> Int? in
                if case .time(let time) = crash.moment { time } else { nil }
            }
        return times.max() ?? 0
    }

    var isOver: Bool { due == 0 && nodes.allSatisfy(isQuiet) && time >= faultsEnd }

    private func isQuiet(_ record: NodeRecord) -> Bool {
        if record.isLost { return true }
        guard let node = record.current, node.process.isAlive, !node.isStopping else { return false }
        return node.running == 0 && node.isAccepting
    }

    /// The faults end; what still runs may come to its end.
    func calm() {
        simulation.note("world", "calm")
        isCalm = true
        pending = []
        if !server.isServing { server.start() }
    }

    /// Everything is settled, and each node knows what the ledger knows of it.
    var isAtRest: Bool {
        nodes.allSatisfy { record in
            if record.isLost { return true }
            guard isQuiet(record), let node = record.current, node.isIdle else { return false }
            return disagreement(of: record) == nil
        }
    }

    /// Where a node and the ledger do not agree on what it holds.
    func disagreement(of record: NodeRecord) -> String? {
        guard let parts = record.current?.parts, let holder = parts.life.holder else { return "no right to spend" }
        let holdings = parts.life.holdings
        for (id, slice) in watch.slices.sorted(by: { $0.key < $1.key }) where slice.node == record.id {
            if slice.hasEnded { continue }
            if slice.life != holder.life { return "\(id) is of life \(slice.life)" }
            let held = holdings[slice.account].map { $0.free + $0.held + $0.returning } ?? 0
            if slice.remaining != held { return "\(id) has \(slice.remaining), and the node \(held)" }
        }
        if let held = holdings.first(where: { $0.value.held != 0 }) { return "\(held.key) has \(held.value.held) held" }
        return nil
    }

    /// What nodes that stopped in order did not give back.
    var leftovers: [String] {
        nodes.filter { !$0.isLost }.flatMap { record in
            watch.slices.sorted { $0.key < $1.key }
                .filter { $0.value.node == record.id && $0.value.remaining != 0 }
                .map { "\(record.name) stopped and left \($0.value.remaining) on \($0.key)" }
        }
    }

    // MARK: End

    func watch(_ watch: LeakWatch) {
        leakWatch = watch
        watch.watch(self, "world")
        watch.watch(simulation, "simulation")
        watch.watch(outside, "process outside")
        server.watch(watch)
        for node in nodes {
            watch.watch(node, "node's record")
            watch.watch(node.disk, "node's disk")
        }
    }

    func end() {
        isEnding = true
        for node in nodes { node.disk.onOperation(nil) }
        simulation.end()
        for node in nodes { node.current = nil }
        SimulatedVFS.endSimulation()
    }

    // MARK: What requests met

    func fail(_ text: String) { if !isEnding { simulation.violation(text) } }

    func note(_ track: RequestTrack, _ text: @autoclosure () -> String) {
        simulation.note("node\(track.node).\(track.life)", "\(track.name) \(text())")
    }

    func asked(_ track: RequestTrack) {
        note(track, "is asked for at place \(track.plan.place)")
        tracks.append(track)
    }
}
