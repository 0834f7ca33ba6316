import Billing
import Flows
import Inference
import Kernel
import TestKit

/// What is looked at when a request is admitted, refused or ended.
extension MoneyWorld {
    /// A node reckons the ledger's time by its own clock, which drifts.
    private static let tolerance = Duration.milliseconds(50)

    func admitted(_ track: RequestTrack, _ hold: Hold) {
        let now = server.now
        track.state = .admitted
        track.hold = hold
        track.admitted = now
        note(track, "is admitted with \(hold.parts.map { "\($0.role) \($0.account) \($0.amount)" })")
        let id = nodes[track.node].id
        for part in hold.parts {
            guard let escrow = part.escrow else { continue }
            guard let slice = watch.slices[escrow], let right = watch.rights[id] else {
                fail("\(track.name) was admitted with a slice that the ledger does not know")
                continue
            }
            if right.life != slice.life || right.state != "live" || right.expires <= now {
                fail("\(track.name) was admitted when its node's right had ended")
            }
            if let ends = watch.accounts[part.account]?.ends, ends + Self.tolerance <= now {
                fail("\(track.name) was admitted on the slice of a period that was over")
            }
            if held(of: escrow) > slice.remaining { fail("\(escrow) has \(slice.remaining), and more is set aside") }
        }
        checkPlaces(track)
    }

    /// What running requests of living nodes hold of a slice.
    private func held(of escrow: EscrowID) -> Int64 {
        tracks.reduce(0) { sum, track in
            guard track.state == .admitted, isAlive(track) else { return sum }
            return track.hold.parts.reduce(sum) { $1.escrow == escrow ? $0 + $1.amount : $0 }
        }
    }

    private func isAlive(_ track: RequestTrack) -> Bool {
        guard let node = nodes[track.node].current else { return false }
        return node.life == track.life && node.process.isAlive
    }

    private func checkPlaces(_ track: RequestTrack) {
        for limit in plan.limits where limit.quantity == .concurrency && limit.place == track.plan.place {
            let running = tracks.count { $0.plan.place == limit.place && $0.state == .admitted && isAlive($0) }
            if running > limit.amount { fail("\(running) requests run within a limit of \(limit.amount)") }
        }
    }

    func ended(_ track: RequestTrack, _ price: Money?) {
        track.state = .ended
        let status = track.record?.status.rawValue ?? "nothing begun"
        note(track, "ended as \(status), \(price.map { "\($0.units)" } ?? "no price")")
    }

    func left(_ track: RequestTrack) {
        track.state = .left
        note(track, "left before it was admitted")
    }

    // MARK: Refusals

    func refused(_ track: RequestTrack, _ problem: Problem) {
        track.state = .refused(problem.code)
        note(track, "is refused: \(problem.code.rawValue) \(problem.message)")
        switch problem.code {
        case .quotaExceeded:
            if problem.retryAfter != nil { return }
            spentRefusals += 1
            if let budget = problem.members["budget_id"] {
                checkSpent(track, budget)
            } else {
                checkCreditSpent(track)
            }
        case .rateLimited:
            if !plan.limits.contains(where: { $0.place == track.plan.place }) {
                fail("\(track.name) is limited, and nothing limits it")
            }
        case .priceMissing:
            if track.plan.model != .absent { fail("\(track.name) has no price, and the book has one") }
        case .storageUnavailable:
            if plan.faults.isEmpty, plan.serverCrashes.isEmpty {
                fail("\(track.name) is refused for a database that was there: \(problem)")
            }
        default: fail("\(track.name) is refused: \(problem)")
        }
    }

    /// Refused as spent: then less must be left than it needs, whatever comes back.
    private func checkSpent(_ track: RequestTrack, _ id: String) {
        guard let place = budgets.firstIndex(where: { $0.id.description == id }) else {
            return fail("\(track.name) is refused for a budget that nobody set: \(id)")
        }
        let (bound, budget) = (plan.bounds[place], budgets[place])
        if let of = bound.place, of != track.plan.place { fail("\(track.name) is refused for somebody else's budget") }
        if !bound.isHard { fail("\(track.name) is refused for a soft budget") }
        // The node may still be in the period that has just ended, or know it to be.
        if bound.period == .hour, abs(time - plan.hourEnds) < 2500 { return }
        guard let account = watch.accounts[budget.account(at: server.now).id], let needed = needed(track, bound.counted)
        else { return }
        let left = account.limit + account.credits - account.debits
        if left >= needed { fail("\(track.name) is refused as spent, and \(left) of \(needed) are left") }
    }

    private func checkCreditSpent(_ track: RequestTrack) {
        guard plan.places[track.plan.place].wallet == .prepaid else {
            return fail("\(track.name) is refused for credit that it does not need")
        }
        let now = server.now
        let left = grants.reduce(Int64(0)) { sum, one in
            guard one.place == track.plan.place, one.grant.expires.map({ now + Self.tolerance < $0 }) ?? true,
                let account = watch.accounts[one.grant.account]
            else { return sum }
            return sum + account.credits - account.debits
        }
        guard let needed = needed(track, .money), left >= needed else { return }
        fail("\(track.name) is refused for credit, and \(left) of \(needed) are left")
    }

    /// What the request may take at most; nil for what has no price.
    private func needed(_ track: RequestTrack, _ counted: MoneyPlan.Bound.Counted) -> Int64? {
        switch counted {
        case .requests: return 1
        case .tokens: return Int64(track.plan.prompt + track.plan.cap)
        case .money:
            let most = Usage(inputTokens: track.plan.prompt, outputTokens: track.plan.cap, source: .estimated)
            return prices.amount(
                version: version(at: track.accepted), model: track.plan.model, most, in: .usd, roundingUp: true)
        }
    }

    /// The book in force at a time.
    func version(at time: Instant) -> Int {
        guard let changeover = plan.changeover, instant(changeover) <= time else { return 1 }
        return 2
    }
}
