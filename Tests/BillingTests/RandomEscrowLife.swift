import Billing
import Kernel
import TestKit
import Testing

/// A node's book beside a ledger of a few numbers, driven by a seed.
struct RandomEscrowLife {
    private struct Running {
        let hold: SpendingHold
    }

    private let random: SeededRandom
    private let seed: UInt64
    private var book = EscrowBook()
    private var uptime = Duration.seconds(10)
    private var life: Int64 = 0
    private var running: [Running] = []
    private var asking: [EscrowRequest] = []
    private var waiting: [(number: UInt64, demand: SpendingDemand)] = []
    private var lastNumber: UInt64 = 0
    /// What the book has heard of, and what it has not.
    private var heard: Set<TransferID> = []
    private var outstanding: [TransferID: EscrowReturn] = [:]

    // The ledger.
    private var expires = Duration.zero
    private var available: [AccountID: Int64] = [:]
    private var remaining: [EscrowID: Int64] = [:]
    private var granted: [TransferID: Int64] = [:]
    private var voided: Set<TransferID> = []
    /// Captured and not settled yet: the book does not know of them any more.
    private var captured: [EscrowID: Int64] = [:]

    private let accounts = (1...4).map { AccountID(ULID(high: 2, low: $0)) }

    init(seed: UInt64) {
        self.seed = seed
        random = SeededRandom(seed: seed)
        for account in accounts { available[account] = 2000 }
        begin()
    }

    private func roll(_ bound: Int) -> Int { Int(random.next(below: UInt64(bound))) }
    private var now: Instant { Instant(microseconds: 1_795_248_000_000_000) + uptime }

    mutating func step() throws {
        uptime += .milliseconds(roll(400))
        switch roll(20) {
        case 0..<6: hold()
        case 6..<10: end()
        case 10..<12: try ask()
        case 12..<14: answer()
        case 14: giveBack()
        case 15: settle()
        case 16: wait()
        case 17: serve()
        case 18: renew()
        default: if roll(30) == 0 { begin() }
        }
        check()
    }

    /// Everything ends: nothing may be left in the book that the ledger does not have.
    mutating func verifyFinish() throws {
        while !asking.isEmpty { answer(certainly: true) }
        while !running.isEmpty { end() }
        for one in waiting { _ = book.leave(one.number, one.demand.accounts) }
        #expect(!book.hasLines, "seed \(seed)")
        let returns = book.giveBack(wanted: [], all: true, at: uptime, limit: 100)
        for one in returns { outstanding[one.id] = one }
        for one in returns { give(one) }
        settle()
        check()
        let left = book.holdings.values.reduce(0) { $0 + $1.free + $1.held + $1.returning }
        #expect(left == 0, "seed \(seed)")
    }

    // MARK: Requests

    private func demand() -> SpendingDemand {
        var demand = SpendingDemand()
        for account in accounts.prefix(2) where roll(3) > 0 {
            demand.walls.append(
                SpendingDemand.Wall(account: account, asset: .tokens, amount: Int64(1 + roll(200)), ends: nil))
        }
        if roll(2) == 0 {
            demand.asset = .money(.usd)
            demand.price = Int64(1 + roll(300))
            demand.funds = accounts.suffix(2).map { Fund(account: $0, ends: nil) }
            if roll(2) == 0 { demand.receivable = AccountID(ULID(high: 3, low: 1)) }
        }
        return demand
    }

    private mutating func hold() { attempt(demand(), as: nil) }

    private mutating func attempt(_ demand: SpendingDemand, as number: UInt64?) {
        let before = book.holdings
        let verdict = book.hold(demand, as: number, at: uptime)
        guard case .held(let hold) = verdict else {
            #expect(book.holdings == before, "seed \(seed): \(verdict) changed something")
            return
        }
        #expect(uptime + .seconds(5) <= expires, "seed \(seed): set aside without the right to")
        let used = Set(hold.parts.filter { $0.escrow != nil }.map(\.account))
        let passed = waiting.contains { other in
            (number.map { other.number < $0 } ?? true) && !used.isDisjoint(with: other.demand.accounts)
        }
        #expect(!passed, "seed \(seed): somebody was passed in the line")
        for (wall, part) in zip(demand.walls, hold.parts) {
            #expect(part.account == wall.account && part.amount == wall.amount, "seed \(seed)")
        }
        let paid = hold.parts.filter { $0.role == .purse }.reduce(0) { $0 + $1.amount }
        if demand.asset != nil { #expect(paid == demand.price, "seed \(seed)") }
        if hold.life != nil { running.append(Running(hold: hold)) }
    }

    private mutating func end() {
        guard !running.isEmpty else { return }
        let one = running.remove(at: roll(running.count))
        guard let life = one.hold.life else { return }
        let amounts = one.hold.parts.map { roll(3) == 0 ? $0.amount : Int64(roll(Int($0.amount) + 1)) }
        for (part, amount) in zip(one.hold.parts, amounts) {
            if let escrow = part.escrow { captured[escrow, default: 0] += amount }
        }
        _ = book.end(one.hold, captured: PartAmounts(amounts))
        book.leave(life, at: uptime)
    }

    private mutating func wait() {
        lastNumber += 1
        let demand = demand()
        guard demand.isGuarded, book.enter(lastNumber, demand.accounts) else { return }
        waiting.append((lastNumber, demand))
    }

    private mutating func serve() {
        guard !waiting.isEmpty else { return }
        let place = roll(waiting.count)
        let one = waiting[place]
        let before = running.count
        attempt(one.demand, as: one.number)
        if running.count > before || roll(4) == 0 {
            _ = book.leave(one.number, one.demand.accounts)
            waiting.remove(at: place)
        }
    }

    // MARK: The ledger

    private mutating func begin() {
        life += 1
        let holder = EscrowHolder(node: NodeID(ULID(high: 1, low: 1)), life: life)
        asking = []
        outstanding = [:]
        expires = uptime + .seconds(30)
        book.begin(holder, EscrowTerm(now: now, length: .seconds(30)), asked: uptime, heard: uptime)
    }

    private mutating func renew() {
        guard let holder = book.holder else { return }
        expires = uptime + .seconds(30)
        book.renewed(holder, EscrowTerm(now: now, length: .seconds(30)), asked: uptime, heard: uptime)
    }

    private mutating func ask() throws {
        let account = accounts[roll(4)]
        let missing = Int64(1 + roll(300))
        let lack = SpendingLack(
            account: account, ends: nil, amount: missing, missing: missing, isCredit: roll(2) == 0)
        if let request = book.ask(lack, at: uptime) {
            #expect(!asking.contains { $0.account == account }, "seed \(seed): two ask for one account")
            asking.append(request)
        }
        for account in book.topUps(at: uptime, limit: 2) {
            if let request = book.topUp(account, at: uptime) { asking.append(request) }
        }
    }

    private mutating func answer(certainly: Bool = false) {
        guard !asking.isEmpty, let holder = book.holder else { return }
        let request = asking.remove(at: roll(asking.count))
        let isLost = !certainly && roll(4) == 0
        // A lost call may have been carried out or not.
        if isLost, roll(2) == 0 {
            _ = book.answered(request, nil, for: holder, asked: uptime, at: uptime)
            return
        }
        let answer = take(request)
        if !isLost { heard.insert(request.id) }
        _ = book.answered(request, isLost ? nil : answer, for: holder, asked: uptime, at: uptime)
    }

    private mutating func take(_ request: EscrowRequest) -> EscrowAnswer {
        let term = EscrowTerm(now: now, length: expires - uptime)
        if let amount = granted[request.id] { return .granted(amount, term) }
        let free = available[request.account] ?? 0
        guard free >= request.needed, free > 0 else {
            return .short(available: free, limit: 2000, spent: 0, pending: 2000 - free)
        }
        let amount = min(max(request.needed, free / 8), max(request.wanted, request.needed), free)
        available[request.account] = free - amount
        remaining[request.escrow, default: 0] += amount
        granted[request.id] = amount
        return .granted(amount, term)
    }

    private mutating func giveBack() {
        let wanted = Set(accounts.filter { _ in roll(4) == 0 })
        let returns = book.giveBack(wanted: wanted, at: uptime, limit: 100)
        for one in returns { outstanding[one.id] = one }
        for one in returns where roll(3) > 0 { give(one, mayBeLost: true) }
    }

    private mutating func give(_ one: EscrowReturn, mayBeLost: Bool = false) {
        if voided.insert(one.id).inserted {
            remaining[one.escrow, default: 0] -= one.amount
            available[one.account, default: 0] += one.amount
        }
        if mayBeLost, roll(4) == 0 { return }
        outstanding[one.id] = nil
        book.returned(one)
    }

    private mutating func settle() {
        for (escrow, amount) in captured { remaining[escrow, default: 0] -= amount }
        captured = [:]
    }

    // MARK: Invariants

    private func check() {
        guard let holder = book.holder else { return }
        for account in accounts {
            let escrow = holder.escrow(on: account)
            let known = book.holdings[account] ?? EscrowHolding(free: 0, held: 0, returning: 0)
            #expect(known.free >= 0 && known.held >= 0 && known.returning >= 0, "seed \(seed)")
            let held = running.flatMap(\.hold.parts).filter { $0.escrow == escrow }.reduce(0) { $0 + $1.amount }
            #expect(known.held == held, "seed \(seed): held")
            // What was granted or given back, and nobody has heard of it.
            let unheard = (remaining[escrow] ?? 0) - (captured[escrow] ?? 0)
            let doubt = inDoubt(account, escrow)
            #expect(
                unheard + doubt.voided == known.free + known.held + known.returning + doubt.granted,
                "seed \(seed): the ledger has other figures")
        }
    }

    private func inDoubt(_ account: AccountID, _ escrow: EscrowID) -> (granted: Int64, voided: Int64) {
        let unknown = granted.filter { $0.key.text.hasPrefix("\(escrow)/") && !heard.contains($0.key) }
        let gone = outstanding.values.filter { $0.account == account && voided.contains($0.id) }
        return (unknown.values.reduce(0, +), gone.reduce(0) { $0 + $1.amount })
    }
}
