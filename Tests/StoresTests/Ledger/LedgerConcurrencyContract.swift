import Billing
import Database
import Kernel
import Stores
import TestKit
import Testing

@Suite struct LedgerConcurrencyContract {
    @Test(
        "64 callers on two nodes never overdraw an account, and everybody's answer is true",
        arguments: StoreAdapter.databases)
    func hotAccount(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let other = try await world.otherNode()
        let budget = try await world.budget(limit: 500)
        let posted = try await withThrowingTaskGroup(of: Int64.self) { group in
            for caller in 0..<64 {
                let ledger = caller.isMultiple(of: 2) ? world.ledger : other
                group.addTask {
                    var sum: Int64 = 0
                    for turn in 0..<6 {
                        let amount = Int64(caller % 3 + 1)
                        let outcome = try await ledger.post([world.count("\(caller)/\(turn)", amount, in: budget)])
                        switch outcome.first {
                        case .posted: sum += amount
                        case .insufficient: break
                        default: Issue.record("\(outcome)")
                        }
                    }
                    return sum
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(try await world.sums(budget) == AccountSums(debits: posted))
        #expect(posted <= 500 && posted > 497)
        try await world.expectSound()
    }

    @Test(
        "transfers in both directions between accounts, 64 callers, never deadlock", arguments: StoreAdapter.databases)
    func bothDirections(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let other = try await world.otherNode()
        let accounts = try await [0, 1, 2, 3].asyncAccounts { _ in try await world.credit(1000) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<64 {
                let ledger = caller.isMultiple(of: 2) ? world.ledger : other
                group.addTask {
                    for turn in 0..<4 {
                        let (from, to) = (accounts[(caller + turn) % 4], accounts[(caller * 3 + turn + 1) % 4])
                        guard from != to else { continue }
                        let transfer = world.transfer("\(caller)/\(turn)", .adjustment, 1, from: from, to: to)
                        let outcome = try await ledger.post([TransferGroup([transfer])])
                        #expect(outcome == [.posted])
                    }
                }
            }
            try await group.waitForAll()
        }
        var total: Int64 = 0
        for account in accounts {
            let sums = try await world.sums(account)
            total += sums.credits - sums.debits
        }
        #expect(total == 4000)
        try await world.expectSound()
    }

    @Test("the same group from 32 callers on two nodes is posted once", arguments: StoreAdapter.databases)
    func sameGroup(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let other = try await world.otherNode()
        // Nothing that is locked stands between them: only the identifier does.
        let transfer = world.transfer("once", .cost, 5, from: world.platform(.cost), to: world.platform(.payable))
        let outcomes = try await withThrowingTaskGroup(of: [PostingOutcome].self) { group in
            for caller in 0..<32 {
                let ledger = caller.isMultiple(of: 2) ? world.ledger : other
                group.addTask { try await ledger.post([TransferGroup([transfer])]) }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(outcomes.filter { $0 == .posted }.count == 1)
        #expect(outcomes.filter { $0 == .repeated }.count == 31)
        try await world.expectSound()
    }

    @Test("a caller who leaves takes nobody with him", arguments: StoreAdapter.databases)
    func cancelled(adapter: StoreAdapter) async throws {
        let world = try await LedgerWorld.open(adapter)
        let budget = try await world.budget(limit: 10_000)
        let told = Shared<Int64>(0)
        let left = try await withThrowingTaskGroup(of: Bool.self) { group in
            for caller in 0..<96 {
                group.addTask {
                    let leaves = caller.isMultiple(of: 3)
                    let work = Task {
                        try await world.ledger.post([world.count("c\(caller)", 1, in: budget)])
                    }
                    if leaves { work.cancel() }
                    do {
                        let outcome = try await work.value
                        #expect(outcome == [.posted] || outcome == [.repeated])
                        told.update { $0 += 1 }
                        return false
                    } catch is CancellationError {
                        #expect(leaves, "caller \(caller) did not leave")
                        return true
                    }
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        let sums = try await world.sums(budget)
        #expect(sums.debits >= told.value && told.value == Int64(96 - left))
        try await world.expectSound()
    }
}

extension Array {
    func asyncAccounts(_ make: (Element) async throws -> AccountID) async rethrows -> [AccountID] {
        var accounts: [AccountID] = []
        for element in self { accounts.append(try await make(element)) }
        return accounts
    }
}
