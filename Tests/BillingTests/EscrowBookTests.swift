import Billing
import Kernel
import TestKit
import Testing

@Suite("The book of a node's slices")
struct EscrowBookTests {
    private let node = NodeID(ULID(high: 1, low: 1))
    private let start = Instant(microseconds: 1_795_248_000_000_000)

    private func account(_ number: UInt64) -> AccountID { AccountID(ULID(high: 2, low: number)) }

    private func begun(life: Int64 = 1, settings: EscrowBook.Settings = .init()) -> EscrowBook {
        var book = EscrowBook(settings: settings)
        book.begin(
            EscrowHolder(node: node, life: life), EscrowTerm(now: start, length: .seconds(30)), asked: .seconds(100),
            heard: .seconds(100))
        return book
    }

    private func wall(_ amounts: [(AccountID, Int64)], ends: Instant? = nil) -> SpendingDemand {
        var demand = SpendingDemand()
        demand.walls = SpendingWalls(
            amounts.map { SpendingDemand.Wall(account: $0.0, asset: .tokens, amount: $0.1, ends: ends) })
        return demand
    }

    private func grant(
        _ amount: Int64, of account: AccountID, in book: inout EscrowBook, ends: Instant? = nil, at uptime: Duration
    ) throws {
        let lack = lack(account, amount, ends: ends)
        let asked = book.ask(lack, at: uptime)
        let request = try #require(asked)
        let holder = try #require(book.holder)
        let term = EscrowTerm(now: start + (uptime - .seconds(100)), length: .seconds(30), left: 0)
        _ = book.answered(request, .granted(amount, term), for: holder, asked: uptime, at: uptime)
    }

    private func lack(_ account: AccountID, _ amount: Int64, ends: Instant? = nil) -> SpendingLack {
        SpendingLack(account: account, ends: ends, amount: amount, missing: amount, isCredit: false)
    }

    private func hold(_ verdict: SpendingVerdict) -> SpendingHold? {
        if case .held(let hold) = verdict { hold } else { nil }
    }

    @Test("all of a request's walls are set aside, or none")
    func allOrNone() throws {
        var book = begun()
        try grant(100, of: account(1), in: &book, at: .seconds(101))
        try grant(50, of: account(2), in: &book, at: .seconds(101))
        let verdict = book.hold(wall([(account(1), 60), (account(2), 60)]), as: nil, at: .seconds(102))
        guard case .lacking(let lack) = verdict else {
            Issue.record("it was \(verdict)")
            return
        }
        #expect(lack.account == account(2) && lack.missing == 10)
        #expect(book.holdings[account(1)] == EscrowHolding(free: 100, held: 0, returning: 0))
        let second = book.hold(wall([(account(1), 60), (account(2), 50)]), as: nil, at: .seconds(102))
        #expect(hold(second) != nil)
        #expect(book.holdings[account(2)] == EscrowHolding(free: 0, held: 50, returning: 0))
    }

    @Test("what was captured leaves the book, and the rest can be set aside again")
    func captureLeaves() throws {
        var book = begun()
        try grant(100, of: account(1), in: &book, at: .seconds(101))
        let first = hold(book.hold(wall([(account(1), 80)]), as: nil, at: .seconds(102)))
        let held = try #require(first)
        _ = book.end(held, captured: [30])
        book.leave(1, at: .seconds(103))
        #expect(book.holdings[account(1)] == EscrowHolding(free: 70, held: 0, returning: 0))
        #expect(book.running == 0)
    }

    @Test("the holder stops a margin before its right ends, counted from before it asked")
    func stopsBeforeTheEnd() throws {
        var book = begun()
        try grant(100, of: account(1), in: &book, at: .seconds(100))
        let inTime = book.hold(wall([(account(1), 1)]), as: nil, at: .milliseconds(124_999))
        #expect(hold(inTime) != nil)
        let late = book.hold(wall([(account(1), 1)]), as: nil, at: .seconds(125))
        #expect(late == .stopped)
        book.renewed(
            EscrowHolder(node: node, life: 1), EscrowTerm(now: start, length: .seconds(30)), asked: .seconds(110),
            heard: .seconds(110))
        let renewed = book.hold(wall([(account(1), 1)]), as: nil, at: .seconds(134))
        #expect(hold(renewed) != nil)
        let lateAgain = book.hold(wall([(account(1), 1)]), as: nil, at: .seconds(135))
        #expect(lateAgain == .stopped)
    }

    @Test("what others said lately is looked for by the earliest time that it can be, however long the ledger took")
    func slowAnswer() {
        var book = begun()
        book.renewed(
            EscrowHolder(node: node, life: 1), EscrowTerm(now: start + .seconds(12), length: .seconds(30)),
            asked: .seconds(110), heard: .seconds(115))
        #expect(book.ledgerTime(at: .seconds(116)) == start + .seconds(13))
        // A period's end comes by the latest.
        let ends = start + .seconds(18)
        _ = book.ask(lack(account(1), 1, ends: ends), at: .seconds(116))
        let verdict = book.hold(wall([(account(1), 1)], ends: ends), as: nil, at: .seconds(116))
        #expect(verdict == .over(account(1)))
    }

    @Test("a slice is not used from its period's end on, by the ledger's clock")
    func endsWithItsPeriod() throws {
        var book = begun()
        let ends = start + .seconds(5)
        try grant(100, of: account(1), in: &book, ends: ends, at: .seconds(101))
        let before = book.hold(wall([(account(1), 1)], ends: ends), as: nil, at: .milliseconds(104_999))
        #expect(hold(before) != nil)
        let after = book.hold(wall([(account(1), 1)], ends: ends), as: nil, at: .seconds(105))
        #expect(after == .over(account(1)))
        let returns = book.giveBack(wanted: [], at: .seconds(105), limit: 10)
        #expect(returns.map(\.amount) == [99])
    }

    @Test("a small request does not pass a big one that waits for the same account")
    func smallDoesNotPass() throws {
        var book = begun()
        try grant(10, of: account(1), in: &book, at: .seconds(101))
        let bigLinesUp = book.enter(1, [account(1)])
        #expect(bigLinesUp)
        guard case .lacking = book.hold(wall([(account(1), 50)]), as: 1, at: .seconds(102)) else {
            Issue.record("the big one lacks nothing")
            return
        }
        let newcomer = book.hold(wall([(account(1), 5)]), as: nil, at: .seconds(102))
        #expect(newcomer == .behind(account(1)))
        let smallLinesUp = book.enter(2, [account(1)])
        #expect(smallLinesUp)
        let small = book.hold(wall([(account(1), 5)]), as: 2, at: .seconds(102))
        #expect(small == .behind(account(1)))
        let following = book.leave(1, [account(1)])
        #expect(following == [2])
        let served = book.hold(wall([(account(1), 5)]), as: 2, at: .seconds(102))
        #expect(hold(served) != nil)
    }

    @Test("what another node wants goes back first, however much else is to go")
    func wantedFirst() throws {
        var book = begun()
        for number in 1...3 as ClosedRange<UInt64> {
            try grant(10, of: account(number), in: &book, at: .seconds(101))
        }
        let returns = book.giveBack(wanted: [account(3)], at: .seconds(115), limit: 1)
        #expect(returns.first?.account == account(3))
    }

    @Test("spent is told apart from set aside")
    func spentIsNotHeld() throws {
        var book = begun()
        let asked = book.ask(lack(account(1), 50), at: .seconds(101))
        let request = try #require(asked)
        let holder = try #require(book.holder)
        let short = EscrowAnswer.short(available: 10, limit: 100, spent: 60, pending: 30)
        _ = book.answered(request, short, for: holder, asked: .seconds(101), at: .seconds(101))
        let verdict = book.hold(wall([(account(1), 50)]), as: nil, at: .seconds(101))
        #expect(verdict == .spent(account(1), EscrowShortage(available: 10, limit: 100, spent: 60, pending: 30)))
        guard case .lacking = book.hold(wall([(account(1), 40)]), as: nil, at: .seconds(101)) else {
            Issue.record("40 may still come back")
            return
        }
        book.forgetRefusals()
        guard case .lacking = book.hold(wall([(account(1), 50)]), as: nil, at: .seconds(101)) else {
            Issue.record("the limit may have been raised")
            return
        }
    }

    @Test("what nobody knows the end of keeps its name until it is granted, also when it is refused meanwhile")
    func doubtKeepsItsName() throws {
        var book = begun()
        let holder = try #require(book.holder)
        func ask(_ missing: Int64, at seconds: Int64) throws -> EscrowRequest {
            let asked = book.ask(lack(account(1), missing), at: .seconds(seconds))
            return try #require(asked)
        }
        let first = try ask(50, at: 101)
        let other = book.ask(lack(account(1), 70), at: .seconds(101))
        #expect(other == nil)
        _ = book.answered(first, nil, for: holder, asked: .seconds(101), at: .seconds(102))
        let again = try ask(70, at: 103)
        #expect(again.id == first.id && again.needed == 70)
        // The first may still be carried out, and then this answer is no longer true.
        let short = EscrowAnswer.short(available: 10, limit: 100, spent: 60, pending: 30)
        _ = book.answered(again, short, for: holder, asked: .seconds(103), at: .seconds(103))
        let tooEarly = book.topUps(at: .milliseconds(103_900), limit: 10)
        #expect(tooEarly == [])
        let due = book.topUps(at: .seconds(104), limit: 10)
        #expect(due == [account(1)])
        let asked = book.topUp(account(1), at: .seconds(104))
        let later = try #require(asked)
        #expect(later.id == first.id)
        let twice = book.topUp(account(1), at: .seconds(104))
        #expect(twice == nil)
        let term = EscrowTerm(now: start, length: .seconds(30))
        _ = book.answered(later, .granted(50, term), for: holder, asked: .seconds(104), at: .seconds(104))
        #expect(book.holdings[account(1)] == EscrowHolding(free: 50, held: 0, returning: 0))
        #expect(try ask(200, at: 105).id != first.id)
    }

    @Test("an answer to an earlier life changes nothing, and its requests end without a trace")
    func earlierLife() throws {
        var book = begun()
        try grant(100, of: account(1), in: &book, at: .seconds(101))
        let verdict = hold(book.hold(wall([(account(1), 80)]), as: nil, at: .seconds(102)))
        let held = try #require(verdict)
        let old = try #require(book.holder)
        let asked = book.ask(lack(account(1), 50), at: .seconds(102))
        let request = try #require(asked)
        let next = EscrowHolder(node: node, life: 2)
        book.begin(next, EscrowTerm(now: start, length: .seconds(30)), asked: .seconds(103), heard: .seconds(103))
        #expect(book.runningOlder == 1)
        let term = EscrowTerm(now: start, length: .seconds(30))
        _ = book.answered(request, .granted(50, term), for: old, asked: .seconds(102), at: .seconds(104))
        _ = book.end(held, captured: [10])
        #expect(book.runningOlder == 1)
        book.leave(1, at: .seconds(105))
        #expect(book.holdings.isEmpty)
        #expect(book.runningOlder == 0 && book.olderEnded == .seconds(105))
        #expect(next.escrow(on: account(1)) != old.escrow(on: account(1)))
    }

    @Test("a random life adds up at every step", arguments: 1...20 as ClosedRange<UInt64>)
    func randomLife(seed: UInt64) throws {
        var life = RandomEscrowLife(seed: seed)
        for _ in 0..<600 { try life.step() }
        try life.verifyFinish()
    }
}
