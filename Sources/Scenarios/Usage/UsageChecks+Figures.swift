import Inference
import Kernel
import TestKit

extension UsageChecks {
    /// What was met, for looking whether a scenario meets it at all: effects, not what a plan intended.
    var figures: [String: Int] {
        answers.merging(records) { $1 }.merging(ends) { $1 }.merging(faults) { $1 }
    }

    private var answers: [String: Int] {
        let outcomes = world.clients.flatMap(\.outcomes)
        let answered = Set(outcomes.filter { !$0.isCopy && $0.status > 0 }.map(\.plan.id))
        return [
            "requests": outcomes.count,
            "complete answers": outcomes.count { $0.seen == .complete && $0.status == 200 },
            "broken answers": outcomes.count { $0.seen == .part },
            "losses": outcomes.count { $0.isLost && $0.plan.delivery == .lost },
            "doubles": outcomes.count { $0.isCopy && $0.status > 0 && answered.contains($0.plan.id) },
        ]
    }

    private func rows(_ status: RequestStatus) -> [StoredUsage] { rows.filter { $0.status == status.rawValue } }

    private var records: [String: Int] {
        [
            "rows": rows.count,
            "interrupted rows": rows(.interrupted).count,
            "rows settled from progress": rows(.interrupted).count { $0.output > 0 },
            "client left": rows(.clientClosed).count,
            "timed out": rows(.timedOut).count,
            "truncated": rows(.truncated).count,
            "second attempts": world.log.values.flatMap(\.opens).count { $0.value.attempt > 1 },
        ]
    }

    private var ends: [String: Int] {
        [
            "kills": world.lives.count { $0.end == .killed },
            "power cuts": world.lives.count { $0.end == .powerCut },
            "refused appends": world.lives.count { $0.hadFailedAppends },
            "lost by power": world.log.values.count { log in
                !rows.contains { $0.request == log.opens.first?.value.request.description }
            },
        ]
    }

    private var faults: [String: Int] {
        let (disk, network, database) = (world.disk.figures, world.network.figures, world.databaseFigures)
        return [
            "disk faults: failed syncs": disk.failedSyncs,
            "disk faults: failed writes": disk.failedWrites,
            "disk faults: full": disk.fullWrites,
            "disk faults: short appends": disk.shortAppends,
            "database away": database[.away, default: 0],
            "database slow": database[.slow, default: 0],
            "commits unknown, done": database[.unknownDone, default: 0],
            "commits unknown, not done": database[.unknownUndone, default: 0],
            "cuts": network.cuts,
            "resets": network.resets,
            "refusals": network.refusals,
            "silences": network.silences,
        ]
    }
}
