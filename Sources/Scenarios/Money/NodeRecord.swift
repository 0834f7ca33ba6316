import Inference
import Kernel
import TestKit

/// One node over all its lives: its data folder, its clocks, and what it wrote down.
// SAFETY: used on the simulation's thread only.
final class NodeRecord: JournalWitness, @unchecked Sendable {
    let index: Int
    let plan: MoneyPlan.Node
    let id: NodeID
    let disk: SimulatedDisk
    /// Milliseconds that its wall clock is ahead of the database's.
    var clockOffset: Int
    var lives: [Life] = []
    private(set) var log: [String: RequestLog] = [:]
    /// The process of this moment; a dead one until the next has begun.
    var current: MoneyNode?
    var isLost = false
    /// It is stopped, and nobody will start it again.
    var isRetired = false
    /// Somebody will start it.
    var isComing = false
    /// Set while the disk itself sees to what a crash does to it.
    var isStriking = false
    var operations = 0
    /// Milliseconds until the next life, after a crash or a stop.
    var downtime = 50

    init(_ index: Int, _ plan: MoneyPlan.Node, id: NodeID, disk: SimulatedDisk) {
        self.index = index
        self.plan = plan
        self.id = id
        self.disk = disk
        clockOffset = plan.offset
    }

    var name: String { "node\(index)" }

    /// What a life's crash does to the disk, unless the disk struck itself.
    func diskCrash(_ kind: DiskCrash, of mount: Mount) {
        guard !isStriking else { return }
        switch kind {
        case .process: mount.kill()
        case .power: disk.crash(.power)
        }
    }

    /// The end of a life, or its last moments at the end of a run.
    func noteEnd(_ end: Life.End) {
        guard let current else { return }
        lives[current.life].end = end
        lives[current.life].hadFailedAppends = current.files.hasRefused
    }

    // MARK: What its journal was told

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

    func mustSurvive<Value>(_ entry: RequestLog.Entry<Value>, _ log: RequestLog) -> Bool {
        lives.mustSurvive(entry, of: log.life)
    }
}
