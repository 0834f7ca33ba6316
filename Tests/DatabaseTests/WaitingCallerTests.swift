import Database
import Synchronization
import TestKit
import Testing

@Suite struct WaitingCallerTests {
    enum Step: CaseIterable, Sendable { case attach, cancel, begin, keep, succeed, fail }

    enum Answer: Equatable { case value(Int), cancelled, failed(DatabaseFailure) }

    private static let neverRan = DatabaseFailure.statement("a body was answered before it ran")
    private static let letGo = DatabaseFailure.commitUnknown("a body was let go without an answer")

    /// Every order of every choice of steps in which somebody waits.
    private static let orders: [[Step]] = {
        var all: [[Step]] = []
        func extend(_ order: [Step]) {
            if order.contains(.attach) { all.append(order) }
            for step in Step.allCases where !order.contains(step) { extend(order + [step]) }
        }
        extend([])
        return all
    }()

    /// What the caller must hear, from which step came before which.
    private func expected(_ order: [Step]) -> Answer {
        func place(_ step: Step) -> Int? { order.firstIndex(of: step) }
        func isBefore(_ first: Step, _ second: Int) -> Bool { place(first).map { $0 < second } ?? false }
        guard let attach = place(.attach) else { return .cancelled }
        let end = [place(.succeed), place(.fail)].compactMap { $0 }.min()
        if isBefore(.cancel, attach) || (end ?? .max) < attach { return .cancelled }
        let begin = place(.begin).flatMap { $0 > attach ? $0 : nil } ?? .max
        if let cancel = place(.cancel), cancel < begin, cancel < (end ?? .max) { return .cancelled }
        guard let end else { return .failed(Self.letGo) }
        if order[end] == .fail { return .failed(.overloaded) }
        guard let keep = place(.keep), begin < keep, keep < end else { return .failed(Self.neverRan) }
        return .value(7)
    }

    private func answer(_ wait: (CheckedContinuation<Int, any Error>) -> Void) async -> Answer {
        do {
            return .value(try await withCheckedThrowingContinuation { wait($0) })
        } catch let failure as DatabaseFailure {
            return .failed(failure)
        } catch {
            #expect(error is CancellationError)
            return .cancelled
        }
    }

    /// A continuation that is resumed twice ends the process, and one that is never resumed this test.
    @Test("a caller is answered once, with the right thing, in every order of its and its body's steps")
    func everyOrder() async {
        #expect(Self.orders.count == 1631)
        for order in Self.orders {
            var wasDropped = false
            var wasClaimed = false
            let answer = await answer { continuation in
                let caller = WaitingCaller<Int>()
                for step in order {
                    let isOpen = caller.isWaiting
                    switch step {
                    case .attach: #expect(caller.attach(continuation) == caller.isWaiting, "\(order)")
                    case .cancel: wasDropped = caller.cancel() == .dropped
                    case .begin:
                        wasClaimed = caller.begin()
                        #expect(wasClaimed == isOpen, "\(order)")
                    case .keep: caller.keep(7)
                    case .succeed: caller.finish(nil)
                    case .fail: caller.finish(.some(DatabaseFailure.overloaded))
                    }
                }
            }
            #expect(answer == expected(order), "\(order)")
            #expect(!(wasDropped && wasClaimed), "\(order)")
            if wasDropped { #expect(answer == .cancelled, "\(order)") }
        }
    }

    @Test("a body is claimed once, and its last value counts")
    func again() async {
        let answer = await answer { continuation in
            let caller = WaitingCaller<Int>()
            #expect(caller.attach(continuation) && caller.begin() && !caller.begin())
            caller.keep(1)
            #expect(caller.cancel() == .running)
            caller.keep(2)
            caller.finish(nil)
            caller.keep(3)
            caller.finish(DatabaseFailure.closed)
            #expect(caller.cancel() == .none && !caller.isWaiting && !caller.begin())
        }
        #expect(answer == .value(2))
    }

    @Test("nothing is a value too")
    func optional() async throws {
        let value: Int? = try await withCheckedThrowingContinuation { continuation in
            let caller = WaitingCaller<Int?>()
            #expect(caller.attach(continuation) && caller.begin())
            caller.keep(nil)
            caller.finish(nil)
        }
        #expect(value == nil)
    }

    @Test("of a cancellation and an end that come at once, exactly one answers, ten thousand times")
    func races() async throws {
        let threads = ThreadPool(threads: 2)
        defer { threads.close() }
        let (dropped, claimed, ended) = (Shared(0), Shared(0), Shared(0))
        var answers: [Answer] = []
        for round in 0..<10_000 {
            answers.append(
                await answer { continuation in
                    let caller = WaitingCaller<Int>()
                    let start = StartLine()
                    #expect(caller.attach(continuation))
                    threads.run {
                        start.wait(andThen: round / 2 % 50)
                        if caller.cancel() == .dropped { dropped.update { $0 += 1 } }
                        ended.update { $0 += 1 }
                    }
                    threads.run {
                        start.wait()
                        if round.isMultiple(of: 2) { return refuse(caller, ended) }
                        if caller.begin() {
                            claimed.update { $0 += 1 }
                            caller.keep(round)
                            caller.finish(nil)
                        }
                        ended.update { $0 += 1 }
                    }
                })
        }
        try await eventually("both sides of every round are over") { ended.value == 20_000 }
        let values = answers.enumerated().filter { $1 == .value($0) }.count
        let refusals = answers.count { $0 == .failed(.overloaded) }
        #expect(answers.count { $0 == .cancelled } == dropped.value)
        #expect(values == claimed.value)
        #expect(values + refusals + dropped.value == 10_000)
    }
}

/// Lets two threads go in the same moment, as far as there are two processors, or one of them a little later.
private final class StartLine: Sendable {
    private let arrived = Atomic(0)

    func wait(andThen steps: Int = 0) {
        arrived.add(1, ordering: .acquiringAndReleasing)
        var looks = 0
        while arrived.load(ordering: .acquiring) < 2, looks < 5000 { looks += 1 }
        for _ in 0..<steps { _ = arrived.load(ordering: .acquiring) }
    }
}

private func refuse(_ caller: WaitingCaller<Int>, _ ended: Shared<Int>) {
    caller.finish(DatabaseFailure.overloaded)
    ended.update { $0 += 1 }
}
