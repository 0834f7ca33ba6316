import Billing
import Inference
import Kernel
import TestKit

/// What must be so when a run is over.
struct MoneyChecks {
    let world: MoneyWorld
    let rows: MoneyRows
    private(set) var failures: [String] = []
    /// Slices that were written off, and how much.
    private(set) var lost: [EscrowID: Int64] = [:]
    private var entries: [RequestID: [MoneyRows.Entry]] = [:]
    private var bills: [RequestID: [MoneyRows.Bill]] = [:]
    /// What requests really took of each account that is a wall.
    private var truth: [AccountID: Int64] = [:]

    init(_ world: MoneyWorld, rows: MoneyRows, verdict: LedgerVerdict) {
        self.world = world
        self.rows = rows
        for entry in rows.entries {
            if let request = entry.request { entries[request, default: []].append(entry) }
            if entry.reason == "write_off", let escrow = entry.escrow { lost[escrow, default: 0] += entry.amount }
        }
        bills = Dictionary(grouping: rows.bills, by: \.request)
        if rows.integrity != "ok" { fail("the database is damaged: \(rows.integrity)") }
        for finding in verdict.findings { fail("verify: \(finding.kind.rawValue): \(finding.message)") }
        checkAnswers()
        for track in world.tracks { check(track) }
        checkStrangers()
        checkAccounts()
        checkLosses()
    }

    private mutating func fail(_ text: String) { if failures.count < 12 { failures.append(text) } }

    private func node(_ track: RequestTrack) -> NodeRecord { world.nodes[track.node] }

    // MARK: Answers

    private mutating func checkAnswers() {
        for track in world.tracks where track.state == .asked || track.state == .admitted {
            let record = node(track)
            if record.lives[track.life].end == .running { fail("\(track.name) was never answered") }
        }
    }

    private mutating func checkStrangers() {
        let known = Set(world.tracks.map(\.request))
        for bill in rows.bills where !known.contains(bill.request) { fail("\(bill.request) is nobody's and has a row") }
    }

    // MARK: One request

    private mutating func check(_ track: RequestTrack) {
        let record = node(track)
        let log = record.log[track.request.description]
        let found = bills[track.request] ?? []
        if found.count > 1 { return fail("\(track.name) has \(found.count) rows") }
        guard let bill = found.first else {
            if entries[track.request] != nil { fail("\(track.name) is charged and has no row") }
            guard let log else { return }
            if record.isLost {
                // What it may have used cannot be counted, and stays set aside or is written off.
                addTruth(of: track, track.produced, isServed: track.produced != .none)
            } else if log.opens.contains(where: { record.mustSurvive($0, log) }) {
                fail("\(track.name) was begun and has no row")
            } else if let close = log.close, record.mustSurvive(close, log) {
                fail("\(track.name) was ended and has no row")
            }
            return
        }
        guard let log else { return fail("\(track.name) was never begun and has a row") }
        if bill.started != track.accepted { fail("\(track.name) was accepted at another time than its row says") }
        guard let usage = usage(of: bill, track, log) else { return }
        checkCharge(track, bill, usage)
    }

    /// What the row says was used, if that can be so.
    private mutating func usage(
        of bill: MoneyRows.Bill, _ track: RequestTrack, _ log: RequestLog
    ) -> (usage: Usage, isServed: Bool)? {
        let record = node(track)
        let usage = Usage(
            inputTokens: bill.input, outputTokens: bill.output, cachedTokens: bill.cached,
            reasoningTokens: bill.reasoning, source: .counted)
        let isNothing = bill.input == 0 && bill.output == 0
        guard bill.status == RequestStatus.interrupted.rawValue else {
            guard let ended = track.record, ended.status.rawValue == bill.status,
                ended.usage.inputTokens == bill.input, ended.usage.outputTokens == bill.output,
                ended.usage.cachedTokens == bill.cached, ended.usage.reasoningTokens == bill.reasoning
            else {
                fail("\(track.name) is stored as \(bill), and ended otherwise")
                return nil
            }
            switch ended.status {
            case .succeeded: return (usage, true)
            case .failed, .rejected: return (.none, false)
            case .clientClosed, .truncated, .timedOut, .interrupted: return (usage, !isNothing)
            }
        }
        if record.lives[track.life].end == .running { fail("\(track.name) is interrupted, and its node never was") }
        if let close = log.close, record.mustSurvive(close, log) { fail("\(track.name) ended and is stored as open") }
        let isOne = log.progress.contains {
            $0.value.usage.inputTokens == bill.input && $0.value.usage.outputTokens == bill.output
        }
        if !isOne, !isNothing { fail("\(track.name) is settled with figures of nobody") }
        if let last = log.progress.last(where: { record.mustSurvive($0, log) })?.value.usage,
            bill.output < last.outputTokens
        {
            fail("\(track.name) is settled with \(bill.output) of \(last.outputTokens)")
        }
        return (usage, !isNothing)
    }

    // MARK: Its charge

    private mutating func checkCharge(
        _ track: RequestTrack, _ bill: MoneyRows.Bill, _ used: (usage: Usage, isServed: Bool)
    ) {
        let own = entries[track.request] ?? []
        for entry in own where entry.accepted != track.accepted {
            fail("\(track.name): \(entry.id) is booked for another time")
        }
        let version = world.version(at: track.accepted)
        if track.hold.prices != version || bill.version != version {
            fail("\(track.name) is priced by book \(bill.version), and \(version) was in force")
        }
        addTruth(of: track, used.usage, isServed: used.isServed)
        checkCounts(track, own, used)
        func sum(_ reason: String) -> Int64 { own.reduce(0) { $1.reason == reason ? $0 + $1.amount : $0 } }
        let (paid, late, excess) = (sum("charge"), sum("suspense"), sum("excess"))
        let purses = track.hold.parts.filter { $0.role == .purse }
        let currency = purses.first?.asset.currency ?? world.prices.ownCurrency(version: version)
        guard used.isServed else {
            if paid + late + excess != 0 { fail("\(track.name) costs \(paid + late + excess) and served nothing") }
            return
        }
        guard let price = world.prices.amount(version: version, model: track.plan.model, used.usage, in: currency)
        else {
            if bill.state != "suspended" || paid != 0 { fail("\(track.name) has no price and is \(bill.state)") }
            return
        }
        if paid + late + excess != price {
            fail("\(track.name) comes to \(paid) and \(late) late and \(excess) too much, and its price is \(price)")
        }
        if excess != 0, isWithin(used.usage, track) { fail("\(track.name) kept its bound, and \(excess) are too much") }
        if bill.price != price - excess { fail("\(track.name) is billed \(bill.price ?? -1) of \(price - excess)") }
        if late != 0, !purses.contains(where: { $0.escrow.map { lost[$0] != nil } ?? false }) {
            fail("\(track.name) came late, and nothing of it was written off")
        }
        checkPurses(track, own, purses)
    }

    private func isWithin(_ usage: Usage, _ track: RequestTrack) -> Bool {
        usage.inputTokens <= track.plan.prompt && usage.outputTokens <= track.plan.cap
    }

    private mutating func checkPurses(_ track: RequestTrack, _ own: [MoneyRows.Entry], _ purses: [Hold.Part]) {
        for entry in own where entry.reason == "charge" {
            guard let part = purses.first(where: { $0.account == entry.debit }) else {
                fail("\(track.name) is charged to an account that it did not name")
                continue
            }
            if part.escrow != nil, entry.amount > part.amount {
                fail("\(track.name) took \(entry.amount) of \(part.amount) that were set aside")
            }
        }
    }

    private mutating func checkCounts(
        _ track: RequestTrack, _ own: [MoneyRows.Entry], _ used: (usage: Usage, isServed: Bool)
    ) {
        let counts = own.filter { $0.reason == "count" }
        let parts = track.hold.parts.filter { $0.role == .budget }
        for entry in counts where !parts.contains(where: { $0.account == entry.debit }) {
            fail("\(track.name) counts in a budget that did not bind it")
        }
        for part in parts {
            guard let expected = expected(part, track, used) else { continue }
            let counted = counts.reduce(Int64(0)) { $1.debit == part.account ? $0 + $1.amount : $0 }
            let mayLack = part.escrow.map { lost[$0] != nil } ?? false
            if counted > expected || counted < expected && !mayLack {
                fail("\(track.name) counts \(counted) of \(expected) \(part.asset)")
            }
        }
    }

    /// What a budget must count; nil where the book does not say.
    private func expected(
        _ part: Hold.Part, _ track: RequestTrack, _ used: (usage: Usage, isServed: Bool)
    ) -> Int64? {
        guard used.isServed else { return 0 }
        let quantity: Int64?
        switch part.asset {
        case .requests: quantity = 1
        case .tokens: quantity = Int64(used.usage.inputTokens + used.usage.outputTokens)
        case .money(let currency):
            quantity = world.prices.amount(
                version: world.version(at: track.accepted), model: track.plan.model, used.usage, in: currency)
        case .umu, .audio, .gpu: quantity = nil
        }
        return quantity.map { part.escrow == nil ? $0 : min($0, part.amount) }
    }

    private mutating func addTruth(of track: RequestTrack, _ usage: Usage, isServed: Bool) {
        for part in track.hold.parts where part.role == .budget && part.escrow != nil {
            truth[part.account, default: 0] += expected(part, track, (usage, isServed)) ?? 0
        }
    }

    // MARK: Accounts

    private mutating func checkAccounts() {
        for (id, account) in world.watch.accounts.sorted(by: { $0.key < $1.key }) {
            if account.pending != 0 { fail("\(account.kind) \(id) has \(account.pending) pending for ever") }
            if let used = truth[id], used > account.highest {
                fail("\(used) were used of \(id), and its amount is \(account.highest)")
            }
            // No window moves in a run this short.
            if account.kind == "budget", account.credits != 0 { fail("\(id) got \(account.credits) back from nowhere") }
            if account.kind == "budget", account.debits < truth[id] ?? 0 {
                fail("\(id) counts \(account.debits), and \(truth[id] ?? 0) were used")
            }
        }
        for (id, slice) in world.watch.slices.sorted(by: { $0.key < $1.key }) where slice.remaining != 0 {
            fail("\(id) still holds \(slice.remaining)")
        }
        for node in world.nodes where !node.isLost && rows.places[node.id, default: 0] != 0 {
            fail("\(node.name) still has places of concurrency")
        }
    }

    /// What was written off was held by somebody whose right had ended for long enough, and no more than that.
    private mutating func checkLosses() {
        var borne: Int64 = 0
        for entry in rows.entries where entry.reason == "write_off" {
            guard let escrow = entry.escrow else {
                borne -= entry.amount
                continue
            }
            if entry.kind == "void" { borne += entry.amount }
            guard let slice = world.watch.slices[escrow] else { continue }
            let holder = LedgerWatch.Holder(node: slice.node, life: slice.life)
            guard let end = world.watch.ends[holder], end + MoneySettings.grace <= entry.posted else {
                fail("\(escrow) was written off too early")
                continue
            }
        }
        if borne != 0 { fail("\(borne) of what was written off is missing at the platform's loss") }
    }
}
