import Billing
import Database
import Kernel
import TestKit
import Testing

@testable import Stores

@Suite struct PostingQueueTests {
    private static func group(_ name: String) -> TransferGroup {
        let id = AccountID(ULID(high: 1, low: 1))
        return TransferGroup([
            Transfer(
                id: TransferID(name), reason: .count, debit: id, credit: id, amount: Amount(units: 1, .tokens),
                accepted: Instant(microseconds: 0))
        ])
    }

    @Test("who comes while another posts goes together with his like, and each gets his own outcome")
    func together() async throws {
        let (gate, batches) = (Gate(), Shared<[[String]]>([]))
        let queue = PostingQueue { groups in
            batches.update { $0.append(groups.map { $0.transfers[0].id.text }) }
            await gate.pass()
            return groups.map { .invalid($0.transfers[0].id.text) }
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                let outcomes = try await queue.post([Self.group("first")])
                #expect(outcomes == [.invalid("first")])
            }
            try await eventually("the first one posts") { batches.value.count == 1 }
            for caller in 0..<20 {
                tasks.addTask {
                    let names = ["\(caller)a", "\(caller)b"]
                    let outcomes = try await queue.post(names.map(Self.group))
                    #expect(outcomes == names.map { .invalid($0) })
                }
            }
            try await eventually("the others wait") { queue.waiting == 20 }
            gate.open()
            try await tasks.waitForAll()
        }
        #expect(batches.value.map(\.count) == [1, 40])
        #expect(queue.waiting == 0)
    }

    @Test("more groups than one transaction takes go in several, in order")
    func parts() async throws {
        let sizes = Shared<[Int]>([])
        let queue = PostingQueue { groups in
            sizes.update { $0.append(groups.count) }
            return groups.map { .invalid($0.transfers[0].id.text) }
        }
        let names = (0..<1203).map { "g\($0)" }
        #expect(try await queue.post(names.map(Self.group)) == names.map { .invalid($0) })
        #expect(sizes.value == [500, 500, 203])
    }

    @Test("the one who does the work is cancelled: nobody else notices")
    func cancelledLeader() async throws {
        let (gate, runs) = (Gate(), Shared(0))
        let queue = PostingQueue { groups in
            runs.update { $0 += 1 }
            await gate.pass()
            try Task.checkCancellation()
            return groups.map { _ in .posted }
        }
        let leader = Task { try await queue.post([Self.group("leader")]) }
        try await eventually("the leader posts") { runs.value == 1 }
        let others = (0..<5).map { number in Task { try await queue.post([Self.group("o\(number)")]) } }
        try await eventually("the others wait") { queue.waiting == 5 }
        leader.cancel()
        others[2].cancel()
        gate.open()
        await #expect(throws: CancellationError.self) { try await leader.value }
        await #expect(throws: CancellationError.self) { try await others[2].value }
        for (number, other) in others.enumerated() where number != 2 {
            let outcome = try await other.value
            #expect(outcome == [.posted])
        }
        #expect(queue.waiting == 0)
        #expect(try await queue.post([Self.group("after")]) == [.posted])
    }

    @Test("a batch that the leader's cancellation undid is done again by the next one")
    func undone() async throws {
        let (gates, runs) = ([Gate(), Gate(), Gate(isOpen: true)], Shared<[Int]>([]))
        let queue = PostingQueue { groups in
            let run = runs.value.count
            runs.update { $0.append(groups.count) }
            await gates[min(run, 2)].pass()
            try Task.checkCancellation()
            return groups.map { _ in .posted }
        }
        let first = Task { try await queue.post([Self.group("1")]) }
        try await eventually("the first one posts") { runs.value.count == 1 }
        let second = Task { try await queue.post([Self.group("2")]) }
        try await eventually("the second one waits") { queue.waiting == 1 }
        let third = Task { try await queue.post([Self.group("3")]) }
        try await eventually("the third one waits") { queue.waiting == 2 }
        gates[0].open()
        try await eventually("the second one posts for both") { runs.value.count == 2 }
        second.cancel()
        gates[1].open()
        await #expect(throws: CancellationError.self) { try await second.value }
        for task in [first, third] {
            let outcome = try await task.value
            #expect(outcome == [.posted])
        }
        #expect(runs.value == [1, 2, 1])
    }

    @Test("one who breaks a batch breaks it for himself alone; while storage is away it is away for all")
    func broken() async throws {
        let (gate, away) = (Gate(), Shared(false))
        let queue = PostingQueue { groups in
            await gate.pass()
            if away.value { throw DatabaseFailure.unavailable("away") }
            if groups.contains(where: { $0.transfers[0].id.text == "bad" }) { throw DatabaseFailure.statement("bad") }
            return groups.map { _ in .posted }
        }
        let names = ["a", "b", "bad", "c"]
        let tasks = names.map { name in Task { try await queue.post([Self.group(name)]) } }
        try await eventually("three wait") { queue.waiting == 3 }
        gate.open()
        for (name, task) in zip(names, tasks) {
            if name == "bad" {
                await #expect(throws: DatabaseFailure.statement("bad")) { try await task.value }
            } else {
                let outcome = try await task.value
                #expect(outcome == [.posted])
            }
        }
        away.update { $0 = true }
        await #expect(throws: DatabaseFailure.unavailable("away")) { try await queue.post([Self.group("d")]) }
    }

    @Test("an identifier that somebody else writes at the same time is looked for again")
    func raced() async throws {
        let runs = Shared(0)
        let queue = PostingQueue { groups in
            runs.update { $0 += 1 }
            if runs.value < 3 { throw PostingRaced() }
            return groups.map { _ in .repeated }
        }
        #expect(try await queue.post([Self.group("a")]) == [.repeated])
        #expect(runs.value == 3)
    }

    @Test("more than may wait is refused at once")
    func full() async throws {
        let gate = Gate()
        let queue = PostingQueue { groups in
            await gate.pass()
            return groups.map { _ in .posted }
        }
        let groups = (0..<500).map { Self.group("g\($0)") }
        let tasks = (0..<40).map { _ in Task { try await queue.post(groups) } }
        try await eventually("all wait") { queue.waiting == 39 }
        await #expect(throws: DatabaseFailure.overloaded) { try await queue.post([Self.group("more")]) }
        gate.open()
        for task in tasks {
            let outcomes = try await task.value
            #expect(outcomes.count == 500)
        }
    }
}
