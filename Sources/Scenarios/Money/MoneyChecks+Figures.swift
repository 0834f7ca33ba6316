import Billing
import Inference
import Kernel
import TestKit

extension MoneyChecks {
    /// What was met, for looking whether a scenario meets it at all: effects, not what a plan intended.
    var figures: [String: Int] { requests.merging(money) { $1 }.merging(faults) { $1 } }

    private func refusals(_ code: ErrorCode) -> Int { world.tracks.count { $0.state == .refused(code) } }

    private var requests: [String: Int] {
        [
            "requests": world.tracks.count,
            "found nobody": world.unsent,
            "rows": rows.bills.count,
            "interrupted rows": rows.bills.count { $0.status == RequestStatus.interrupted.rawValue },
            "waited": world.tracks.count(where: \.hasWaited),
            "left while they waited": world.tracks.count { $0.state == .left },
            "refused as spent": world.spentRefusals,
            "refused as held": refusals(.quotaExceeded) - world.spentRefusals,
            "refused by a limit": refusals(.rateLimited),
            "refused without a price": refusals(.priceMissing),
            "refused without the ledger": refusals(.storageUnavailable),
        ]
    }

    private func sum(_ reason: String) -> Int { rows.entries.count { $0.reason == reason } }

    private var money: [String: Int] {
        [
            "charges": sum("charge"),
            "counts": sum("count"),
            "above their hold": sum("excess"),
            "without a price": rows.bills.count { $0.state == "suspended" },
            "late charges": sum("suspense"),
            "written off": lost.count,
            "credit lapsed": sum("lapse"),
            "by the second book": rows.bills.count { $0.version == 2 },
            "given back": rows.entries.count { $0.kind == "void" && $0.reason == "escrow" },
            "released": rows.entries.count { $0.kind == "expire" },
            "periods that ended": world.watch.accounts.values.count {
                $0.ends.map { $0 <= world.instant(world.plan.hourEnds) } ?? false && $0.kind == "budget"
            },
        ]
    }

    private var faults: [String: Int] {
        var figures = [
            "kills": ends(.killed),
            "power cuts": ends(.powerCut),
            "lost nodes": world.nodes.count(where: \.isLost),
            "crashes of the database": world.server.crashes,
            "rights that began anew": world.watch.ends.keys.count { $0.life > 1 },
        ]
        for kind in MoneyPlan.Fault.Kind.allCases {
            figures["database " + kind.rawValue] = world.faultFigures[kind, default: 0]
        }
        return figures
    }

    /// But for the last of each node.
    private func ends(_ end: Life.End) -> Int {
        world.nodes.flatMap { $0.isLost ? $0.lives[...] : $0.lives.dropLast() }.count { $0.end == end }
    }
}
