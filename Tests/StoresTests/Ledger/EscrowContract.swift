import Billing
import Database
import Kernel
import Stores
import TestKit
import Testing

@Suite struct EscrowContract {
    private typealias World = LedgerWorld

    @Test("slices shrink towards the wall, and never pass it", arguments: StoreAdapter.databases)
    func shrinking(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let budget = try await world.budget(limit: 800)
        let holder = try await world.begin()
        let escrow: EscrowID = world.samples.ids.next()
        var granted: [Int64] = []
        while granted.count < 200 {
            let answer = try await world.ledger.take(world.request(budget, escrow), for: holder)
            guard case .granted(let units, let term) = answer else {
                #expect(answer == .short(available: 0, limit: 800, spent: 0, pending: 800))
                break
            }
            granted.append(units)
            let left = 800 - granted.reduce(0, +)
            #expect(term == EscrowTerm(now: world.clock.now, length: .seconds(30), left: left))
        }
        #expect(granted.prefix(3) == [100, 87, 76] && granted.last == 1)
        #expect(granted.reduce(0, +) == 800 && granted == granted.sorted(by: >))
        #expect(try await world.sums(budget) == AccountSums(pending: 800))
        #expect(try await world.ledger.outstanding().map(\.remaining) == [800])
        try await world.expectSound()
    }

    @Test(
        "a node gets what it needs beyond an eighth, and never more than it could use",
        arguments: StoreAdapter.databases)
    func needs(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let budget = try await world.budget(limit: 800)
        let holder = try await world.begin()
        let escrow: EscrowID = world.samples.ids.next()
        func take(_ needed: Int64, _ wanted: Int64) async throws -> EscrowAnswer {
            try await world.ledger.take(world.request(budget, escrow, needed: needed, wanted: wanted), for: holder)
        }
        func granted(_ units: Int64, leaving left: Int64) -> EscrowAnswer {
            .granted(units, EscrowTerm(now: world.clock.now, length: .seconds(30), left: left))
        }
        #expect(try await take(1, 30) == granted(30, leaving: 770))
        #expect(try await take(500, 30) == granted(500, leaving: 270))
        #expect(try await take(271, 900) == .short(available: 270, limit: 800, spent: 0, pending: 530))
        #expect(try await take(270, 900) == granted(270, leaving: 0))
        #expect(try await world.ledger.outstanding().map(\.remaining) == [800])
    }

    @Test("the same take twice takes once", arguments: StoreAdapter.databases)
    func repeatedTake(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let budget = try await world.budget(limit: 800)
        let holder = try await world.begin()
        let request = world.request(budget, world.samples.ids.next(), id: "take/1")
        let first = try await world.ledger.take(request, for: holder)
        let second = try await world.ledger.take(request, for: holder)
        let term = EscrowTerm(now: world.clock.now, length: .seconds(30))
        #expect(first == .granted(100, EscrowTerm(now: term.now, length: term.length, left: 700)))
        #expect(second == .granted(100, term), "a repeat does not look at the account again")
        #expect(try await world.sums(budget) == AccountSums(pending: 100))
        let other = world.request(budget, world.samples.ids.next(), id: "take/1")
        #expect(await code { _ = try await world.ledger.take(other, for: holder) } == .internalError)
    }

    @Test("parts are posted and given back until nothing remains, and never more", arguments: StoreAdapter.databases)
    func parts(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let budget = try await world.budget(limit: 100)
        let holder = try await world.begin()
        let escrow = try await world.slice(of: budget, 60, for: holder)
        func part(_ id: String, _ kind: Transfer.Kind, _ amount: Int64) async throws -> PostingOutcome? {
            let transfer = world.transfer(
                id, .count, amount, from: budget, to: world.platform(.consumed), kind: kind, escrow: escrow)
            return try await world.ledger.post([TransferGroup([transfer])]).first
        }
        #expect(try await part("a", .post, 20) == .posted)
        #expect(try await part("a", .post, 20) == .repeated)
        #expect(try await part("b", .void, 10) == .posted)
        #expect(try await part("c", .expire, 5) == .posted)
        #expect(try await part("d", .post, 26) == .escrowShort(escrow, remaining: 25))
        #expect(try await part("e", .void, 26) == .escrowShort(escrow, remaining: 25))
        #expect(try await world.sums(budget) == AccountSums(debits: 20, pending: 25))
        #expect(try await part("f", .post, 25) == .posted)
        #expect(try await part("g", .post, 1) == .escrowShort(escrow, remaining: 0))
        let elsewhere = try await world.budget(limit: 100)
        let foreign = world.transfer(
            "h", .count, 1, from: elsewhere, to: world.platform(.consumed), kind: .post, escrow: escrow)
        guard case .invalid = try await world.ledger.post([TransferGroup([foreign])]).first else {
            Issue.record("another account's escrow was posted from")
            return
        }
        try await world.expectSound()
    }

    @Test("only its holder gives a part back, once, and never more than it holds", arguments: StoreAdapter.databases)
    func givingBack(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let budget = try await world.budget(limit: 100)
        let holder = try await world.begin()
        let stranger = try await world.begin()
        let escrow = try await world.slice(of: budget, 60, for: holder)
        func giveBack(_ amount: Int64, _ id: String, by holder: EscrowHolder) async throws -> Bool {
            try await world.ledger.giveBack(amount, of: escrow, by: holder, id: TransferID(id))
        }
        #expect(try await giveBack(20, "a", by: holder))
        #expect(try await giveBack(20, "a", by: holder), "a repeat")
        #expect(try await world.sums(budget) == AccountSums(pending: 40))
        #expect(try await !giveBack(41, "b", by: holder))
        #expect(try await !giveBack(0, "c", by: holder))
        #expect(try await !giveBack(1, "d", by: stranger))
        #expect(try await !world.ledger.giveBack(1, of: world.samples.ids.next(), by: holder, id: TransferID("e")))
        #expect(try await giveBack(40, "f", by: holder))
        #expect(try await world.sums(budget) == AccountSums())
        try await world.expectSound()
    }

    @Test("a life that a later one ended takes and renews nothing", arguments: StoreAdapter.databases)
    func fenced(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let budget = try await world.budget(limit: 100)
        let first = try await world.begin()
        let escrow = try await world.slice(of: budget, 10, for: first)
        let second = try await world.begin(first.node)
        #expect(second.life == first.life + 1)
        #expect(try await world.ledger.take(world.request(budget, escrow), for: first) == .fenced)
        #expect(try await world.ledger.renew(first, lasting: .seconds(30)) == nil)
        // An escrow is one life's: the next one has its own.
        #expect(try await world.ledger.take(world.request(budget, escrow), for: second) == .fenced)
        _ = try await world.slice(of: budget, 10, for: second)
        #expect(try await world.ledger.renew(second, lasting: .seconds(30)) != nil)
        let nobody = EscrowHolder(node: world.samples.ids.next(), life: 1)
        #expect(try await world.ledger.take(world.request(budget, escrow), for: nobody) == .fenced)
        #expect(try await world.ledger.renew(nobody, lasting: .seconds(30)) == nil)
    }

    @Test(
        "a right ends at its time unless it is renewed, and renewing never shortens it",
        arguments: StoreAdapter.databases)
    func terms(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let budget = try await world.budget(limit: 100)
        let holder = try await world.begin(lasting: .seconds(30))
        let escrow = try await world.slice(of: budget, 10, for: holder)
        world.clock.advance(by: .seconds(20))
        #expect(
            try await world.ledger.renew(holder, lasting: .seconds(5))
                == EscrowTerm(now: world.clock.now, length: .seconds(10)))
        world.clock.advance(by: .seconds(10))
        #expect(try await world.ledger.take(world.request(budget, escrow), for: holder) == .fenced)
        // What it holds is still set aside, so nothing speaks against going on.
        #expect(
            try await world.ledger.renew(holder, lasting: .seconds(30))
                == EscrowTerm(now: world.clock.now, length: .seconds(30)))
        guard case .granted = try await world.ledger.take(world.request(budget, escrow), for: holder) else {
            Issue.record("a renewed node was refused")
            return
        }
    }

    @Test(
        "of an account that has ended, is not there, or has no guard, nothing is taken",
        arguments: StoreAdapter.databases)
    func closed(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let holder = try await world.begin(lasting: .seconds(600))
        let budget = try await world.budget(limit: 100, ends: world.clock.now + .seconds(60))
        let soft = try await world.budget(limit: nil)
        let escrow = try await world.slice(of: budget, 10, for: holder)
        #expect(try await world.ledger.take(world.request(soft, world.samples.ids.next()), for: holder) == .closed)
        let nowhere: AccountID = world.samples.ids.next()
        #expect(try await world.ledger.take(world.request(nowhere, world.samples.ids.next()), for: holder) == .closed)
        world.clock.advance(by: .seconds(60))
        #expect(try await world.ledger.take(world.request(budget, escrow), for: holder) == .closed)
        // What was taken before is still there for what was accepted before.
        let late = world.transfer(
            "late", .count, 10, from: budget, to: world.platform(.consumed), kind: .post, escrow: escrow)
        #expect(try await world.ledger.post([TransferGroup([late])]) == [.posted])
    }

    @Test("what one node wants, the others hear, until it is long ago", arguments: StoreAdapter.databases)
    func wants(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let accounts = [try await world.budget(limit: 1), try await world.budget(limit: 1)]
        let (one, two) = (try await world.begin(), try await world.begin())
        let before = world.clock.now
        try await world.ledger.want(accounts.reversed(), by: one)
        #expect(try await world.ledger.wants(since: before, except: two) == accounts.sorted())
        #expect(try await world.ledger.wants(since: before, except: one) == [])
        world.clock.advance(by: .seconds(1))
        try await world.ledger.want([accounts[1]], by: one)
        #expect(try await world.ledger.wants(since: world.clock.now, except: two) == [accounts[1]])
    }

    @Test("64 takes of two nodes never set aside more than there is", arguments: StoreAdapter.databases)
    func concurrentTakes(adapter: StoreAdapter) async throws {
        let world = try await World.open(adapter)
        let other = try await world.otherNode()
        let budget = try await world.budget(limit: 300)
        let holders = [try await world.begin(), try await world.begin()]
        let escrows: [EscrowID] = [world.samples.ids.next(), world.samples.ids.next()]
        let granted = try await withThrowingTaskGroup(of: Int64.self) { group in
            for caller in 0..<64 {
                let side = caller % 2
                let ledger = side == 0 ? world.ledger : other
                group.addTask {
                    let request = world.request(budget, escrows[side], needed: 5, wanted: 9, id: "take/\(caller)")
                    switch try await ledger.take(request, for: holders[side]) {
                    case .granted(let units, _): return units
                    case .short: return 0
                    case .closed, .fenced:
                        Issue.record("a living node was refused")
                        return 0
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(try await world.sums(budget) == AccountSums(pending: granted))
        #expect(granted > 295 && granted <= 300)
        #expect(try await world.ledger.outstanding().map(\.remaining).reduce(0, +) == granted)
        try await world.expectSound()
    }
}

/// How lives end.
@Suite struct EscrowEndContract {
    @Test(
        "an earlier life's slices are given back when its journal is shipped, and only those",
        arguments: StoreAdapter.databases)
    func release(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budgets = [try await world.budget(limit: 100), try await world.credit(100)]
        let stranger = try await world.begin()
        _ = try await world.slice(of: budgets[0], 7, for: stranger)
        let first = try await world.begin()
        for budget in budgets { _ = try await world.slice(of: budget, 20, for: first) }
        let second = try await world.begin(first.node)
        let kept = try await world.slice(of: budgets[0], 5, for: second)
        #expect(try await world.ledger.release(livesBefore: first) == 0)
        #expect(try await world.ledger.release(livesBefore: second) == 2)
        #expect(try await world.ledger.release(livesBefore: second) == 0)
        #expect(try await world.sums(budgets[0]) == AccountSums(pending: 12))
        #expect(try await world.sums(budgets[1]) == AccountSums(credits: 100))
        #expect(try await world.ledger.outstanding().contains { $0.id == kept && $0.remaining == 5 })
        try await world.expectSound()
    }

    @Test("a life that ends gives back what it holds, and its right is over", arguments: StoreAdapter.databases)
    func end(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 100)
        let holder = try await world.begin()
        let escrow = try await world.slice(of: budget, 60, for: holder)
        try await world.ledger.end(holder)
        try await world.ledger.end(holder)
        #expect(try await world.sums(budget) == AccountSums())
        #expect(try await world.ledger.outstanding().isEmpty)
        #expect(try await world.ledger.take(world.request(budget, escrow), for: holder) == .fenced)
        #expect(try await world.ledger.renew(holder, lasting: .seconds(30)) == nil)
        #expect(try await world.ledger.writeOff(after: .zero, limit: 100).isEmpty)
        try await world.expectSound()
    }

    @Test("many slices end in several transactions, all of them", arguments: StoreAdapter.databases)
    func manySlices(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let holder = try await world.begin()
        for _ in 0..<205 {
            _ = try await world.slice(of: try await world.budget(limit: 10), 3, for: holder)
        }
        let next = try await world.begin(holder.node)
        #expect(try await world.ledger.release(livesBefore: next) == 205)
        #expect(try await world.ledger.outstanding().isEmpty)
        try await world.expectSound()
    }

    @Test(
        "a node that stays away is written off: budgets count it as spent, credit is given back at the platform's loss",
        arguments: StoreAdapter.databases)
    func writeOff(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 100)
        let credit = try await world.credit(100)
        let lost = try await world.begin()
        let alive = try await world.begin(lasting: .seconds(86_400))
        let slices = [
            try await world.slice(of: budget, 30, for: lost), try await world.slice(of: credit, 40, for: lost),
        ]
        _ = try await world.slice(of: budget, 5, for: alive)
        let ended = world.clock.now + .seconds(30)
        world.clock.advance(by: .seconds(30 + 3599))
        #expect(try await world.ledger.writeOff(after: .seconds(3600), limit: 10).isEmpty)
        world.clock.advance(by: .seconds(1))
        #expect(try await world.ledger.writeOff(after: .seconds(3600), limit: 1).count == 1)
        let rest = try await world.ledger.writeOff(after: .seconds(3600), limit: 10)
        #expect(rest.count == 1 && rest.allSatisfy { slices.contains($0.id) && $0.expires == ended })
        #expect(try await world.ledger.writeOff(after: .seconds(3600), limit: 10).isEmpty)
        #expect(try await world.sums(budget) == AccountSums(debits: 30, pending: 5))
        #expect(try await world.sums(credit) == AccountSums(credits: 100))
        #expect(try await world.sums(world.platform(.loss)) == AccountSums(debits: 40))
        #expect(try await world.sums(world.platform(.suspense)) == AccountSums(credits: 40))
        #expect(try await world.ledger.renew(lost, lasting: .seconds(30)) == nil)
        #expect(try await world.ledger.take(world.request(budget, slices[0]), for: lost) == .fenced)
        #expect(try await world.ledger.giveBack(1, of: slices[0], by: lost, id: TransferID("x")) == false)
        #expect(try await world.begin(lost.node).life == lost.life + 1)
        try await world.expectSound()
    }

    @Test(
        "what an earlier life holds and the present one does not release is written off too",
        arguments: StoreAdapter.databases)
    func stuckRecovery(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 100)
        let first = try await world.begin()
        let slice = try await world.slice(of: budget, 30, for: first)
        let second = try await world.begin(first.node, lasting: .seconds(86_400))
        let kept = try await world.slice(of: budget, 10, for: second)
        world.clock.advance(by: .seconds(3599))
        #expect(try await world.ledger.writeOff(after: .seconds(3600), limit: 10).isEmpty)
        world.clock.advance(by: .seconds(1))
        #expect(try await world.ledger.writeOff(after: .seconds(3600), limit: 10).map(\.id) == [slice])
        #expect(try await world.ledger.outstanding().map(\.id) == [kept])
        #expect(try await world.ledger.renew(second, lasting: .seconds(86_400)) != nil)
        try await world.expectSound()
    }

    @Test(
        "renewing and writing off at the same time leave no node both alive and written off",
        arguments: StoreAdapter.databases)
    func race(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let other = try await world.otherNode()
        for _ in 0..<10 {
            let budget = try await world.budget(limit: 100)
            let holder = try await world.begin()
            _ = try await world.slice(of: budget, 30, for: holder)
            world.clock.advance(by: .seconds(31))
            async let renewed = world.ledger.renew(holder, lasting: .seconds(30))
            async let lost = other.writeOff(after: .zero, limit: 10)
            let (term, states) = try await (renewed, lost)
            #expect((term == nil) == (states.count == 1), "\(String(describing: term)) \(states)")
            let sums = try await world.sums(budget)
            #expect(sums == (term == nil ? AccountSums(debits: 30) : AccountSums(pending: 30)))
            try await world.ledger.end(holder)
            world.clock.advance(by: .seconds(31))
            _ = try await world.ledger.writeOff(after: .zero, limit: 100)
        }
        try await world.expectSound()
    }
}
