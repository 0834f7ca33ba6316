import Kernel
import Synchronization
import Testing

@testable import Inference

@Suite("A waiting line")
struct WaitingLineTests {
    @Test("the higher priority goes first, and of equal ones who came first")
    func order() {
        var line = WaitingLine<Int>(most: 10)
        for (number, priority) in [RequestPriority.low, .normal, .high, .normal, .low].enumerated() {
            _ = line.join(number, priority)
        }
        var order: [Int?] = []
        for _ in 0..<6 { order.append(line.next()) }
        #expect(order == [2, 1, 3, 0, 4, nil])
        #expect(line.count == 0)
    }

    @Test("where it is full the last of the lowest gives way to a higher one, and to nobody else")
    func givesWay() {
        var line = WaitingLine<Int>(most: 2)
        _ = line.join(1, .low)
        _ = line.join(2, .low)
        guard case .full = line.join(3, .low), case .instead(_, of: 2) = line.join(4, .normal),
            case .instead(_, of: 1) = line.join(5, .high), case .full = line.join(6, .normal)
        else {
            Issue.record("somebody wrong gave way")
            return
        }
        let order = [line.next(), line.next()]
        #expect(order == [5, 4])
    }

    @Test("who found no place after all goes before all who came later")
    func rejoins() {
        var line = WaitingLine<Int>(most: 10)
        guard case .waiting(let first) = line.join(1, .normal) else { return }
        _ = line.join(2, .normal)
        let called = line.next()
        #expect(called == 1)
        line.rejoin(1, as: first)
        #expect(line.isAhead(of: .normal) && !line.isAhead(of: .high))
        let order = [line.next(), line.next()]
        #expect(order == [1, 2])
    }

    @Test("who leaves is not called, and leaves once")
    func leaves() {
        var line = WaitingLine<Int>(most: 10)
        guard case .waiting(let ticket) = line.join(1, .normal) else { return }
        let left = [line.leave(ticket), line.leave(ticket)]
        #expect(left == [true, false])
        let called = line.next()
        #expect(called == nil && line.count == 0)
    }
}

@Suite("An adaptive limit")
struct AdaptiveLimitTests {
    @Test("grows while answers stay fast and it is made use of, and never above its most")
    func grows() {
        var limit = AdaptiveLimit(most: 20)
        let first = limit.value
        for _ in 0..<50 { limit.answered(in: .milliseconds(10), running: 1, at: .zero) }
        #expect(limit.value == first)
        for number in 0..<900 {
            limit.answered(in: .milliseconds(10), running: limit.value, at: .milliseconds(number))
        }
        #expect(limit.value == 20)
    }

    @Test("falls when answers become slow or it is told so, once for all that were under way, and stays above 0")
    func falls() {
        var limit = AdaptiveLimit(most: 100)
        limit.answered(in: .milliseconds(10), running: 1, at: .zero)
        let before = limit.value
        for _ in 0..<8 { limit.overloaded(at: .seconds(1)) }
        #expect(limit.value == Int(Double(before) * 0.9))
        for second in 2..<200 { limit.answered(in: .seconds(1), running: 1, at: .seconds(second)) }
        #expect(limit.value >= 1 && limit.value < before)
    }

    /// A queue before one worker that takes 10 ms for each of 4 at once: more only wait.
    @Test("settles near where answers take twice the time that they could")
    func settles() {
        var limit = AdaptiveLimit(most: 1000)
        var uptime = Duration.zero
        var sum = 0
        for round in 0..<3000 {
            let running = limit.value
            let latency = Duration.milliseconds(10) * max(4, running) / 4
            uptime += latency / max(1, running)
            limit.answered(in: latency, running: running, at: uptime)
            if round >= 2000 { sum += running }
        }
        #expect((4...16).contains(sum / 1000))
    }
}

@Suite("An outlier rule")
struct OutlierRuleTests {
    private func counts(_ pairs: [(Int, Int)]) -> [OutlierWindow.Counts] {
        pairs.map { OutlierWindow.Counts(calls: $0.0, failures: $0.1) }
    }

    @Test("ejects who fails far more than the others, and not where all fail alike")
    func ejects() {
        let rule = OutlierRule()
        #expect(rule.ejections(counts([(100, 2), (100, 60), (100, 3)]), out: [false, false, false]) == [1])
        #expect(rule.ejections(counts([(100, 60), (100, 60), (100, 55)]), out: [false, false, false]) == [])
        #expect(rule.ejections(counts([(100, 0), (10, 10)]), out: [false, false]) == [], "too few to judge")
    }

    @Test("never more than its share is out, and never all")
    func cap() {
        let rule = OutlierRule()
        let four = counts([(100, 0), (100, 100), (100, 90), (100, 95)])
        #expect(rule.ejections(four, out: [false, false, false, false]) == [1, 3])
        #expect(rule.ejections(four, out: [false, true, false, false]) == [3])
        #expect(rule.ejections(four, out: [false, true, false, true]) == [])
        #expect(rule.ejections(counts([(100, 100)]), out: [false]) == [])
        var greedy = rule
        greedy.mostOut = 1
        #expect(greedy.ejections(counts([(100, 90), (100, 0)]), out: [false, true]) == [], "one is left")
    }

    @Test("a window forgets what is older than its length")
    func window() {
        var window = OutlierWindow()
        for _ in 0..<10 { window.count(failure: true, at: .zero) }
        #expect(window.counts(at: .seconds(29)) == OutlierWindow.Counts(calls: 10, failures: 10))
        window.count(failure: false, at: .seconds(20))
        #expect(window.counts(at: .seconds(21)).calls == 11)
        #expect(window.counts(at: .seconds(40)).calls == 1)
        #expect(window.counts(at: .seconds(90)).calls == 0)
    }
}

@Suite("A deployment's state")
struct DeploymentStateTests {
    private final class Seen: Sendable {
        let most = Atomic(0)
        let running = Atomic(0)
        let entered = Atomic(0)
    }

    private let id = DeploymentID(ULID(high: 1, low: 1))

    @Test("never lets in more at once than it may, on however many threads, and gives every place back")
    func places() async {
        let state = DeploymentState(id, at: .zero)
        state.bind(.fixed(7))
        let seen = Seen()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<5000 where state.enter(at: .zero) {
                        let now = seen.running.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
                        _ = seen.most.max(now, ordering: .sequentiallyConsistent)
                        seen.entered.wrappingAdd(1, ordering: .relaxed)
                        seen.running.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                        state.leave(.answered, at: .zero)
                    }
                }
            }
        }
        #expect(seen.most.load(ordering: .relaxed) <= 7)
        #expect(seen.entered.load(ordering: .relaxed) > 5000)
        #expect(state.running == 0)
    }

    @Test("says what is wrong with it, the breaker first")
    func health() {
        let state = DeploymentState(id, at: .zero)
        #expect(state.signal(at: .zero).health == .good)
        state.probed(isGood: false, at: Instant(microseconds: 5))
        #expect(state.signal(at: .zero).health == .failing)
        #expect(state.health(at: .zero).probed == Instant(microseconds: 5))
        state.eject(for: .seconds(30), at: .zero)
        #expect(state.signal(at: .zero).health == .ejected)
        for _ in 0..<5 {
            #expect(state.enter(at: .zero))
            state.leave(.failed, at: .zero)
        }
        #expect(state.signal(at: .zero).health == .open)
        #expect(!state.enter(at: .seconds(1)))
        state.probed(isGood: true, at: Instant(microseconds: 6))
        #expect(state.signal(at: .seconds(100)).health == .good)
    }

    @Test("after its pause a breaker lets in one, and one more for each that ended")
    func probe() {
        let state = DeploymentState(id, at: .zero)
        for _ in 0..<5 {
            _ = state.enter(at: .zero)
            state.leave(.failed, at: .zero)
        }
        #expect(state.enter(at: .seconds(6)))
        #expect(!state.enter(at: .seconds(6)))
        #expect(state.signal(at: .seconds(6)).health == .probing)
        state.leave(.answered, at: .seconds(7))
        #expect(state.enter(at: .seconds(7)) && state.enter(at: .seconds(7)))
    }
}

@Suite("A model's deployments together")
struct ServiceStateTests {
    @Test("each place that becomes free calls one who waits, the highest first; who gave way is told")
    func line() {
        let service = ServiceState(line: 2, at: .zero)
        let heard = Mutex<[String]>([])
        func waiter(_ name: String) -> ServiceState.Waiter {
            { turn in heard.withLock { $0.append("\(name) \(turn)") } }
        }
        #expect(service.join(.low, waiter("low")) != nil)
        #expect(service.join(.normal, waiter("normal")) != nil)
        #expect(service.isAhead(of: .normal) && !service.isAhead(of: .high))
        #expect(service.join(.low, waiter("late")) == nil)
        #expect(service.join(.high, waiter("high")) != nil)
        service.wakeNext()
        service.wakeNext()
        service.wakeNext()
        #expect(heard.withLock { $0 } == ["low gaveWay", "high mayEnter", "normal mayEnter"])
        #expect(service.waiting == 0)
    }

    @Test("ejects an outlier among its deployments, and takes it back after its pause")
    func outliers() {
        let service = ServiceState(at: .zero)
        let states = (1...3).map { DeploymentState(DeploymentID(ULID(high: 1, low: $0)), at: .zero) }
        for (number, state) in states.enumerated() {
            for call in 0..<40 where state.enter(at: .zero) {
                // Never five in a row, so that the breaker keeps out of it.
                state.leave(number == 1 && call % 5 < 2 ? .failed : .answered, at: .zero)
            }
        }
        service.judge(states, at: .milliseconds(900))
        #expect(states[1].signal(at: .seconds(1)).health == .good, "not looked at yet")
        service.judge(states, at: .seconds(1))
        #expect(states.map { $0.signal(at: .seconds(1)).health } == [.good, .ejected, .good])
        #expect(states[1].signal(at: .seconds(32)).health == .good)
    }
}
