import Kernel
import Testing

@testable import Inference

@Suite("A journey through candidates")
struct JourneyTests {
    private func journey(_ order: [Int], most: Int = 3) -> Journey {
        var journey = Journey(order: order, most: most)
        _ = journey.first()
        journey.didCall()
        return journey
    }

    private func expect(
        _ journey: inout Journey, after failure: CallFailure, at place: Int, mayRetry: Bool, _ wanted: Journey.Step,
        _ location: SourceLocation = #_sourceLocation
    ) {
        let step = journey.step(after: failure, at: place, random: 0) { mayRetry }
        #expect(step == wanted, sourceLocation: location)
    }

    @Test("goes to the next candidate at once, each once, then back to those whose failure passes")
    func order() {
        var journey = journey([2, 0], most: 5)
        expect(&journey, after: .failing, at: 2, mayRetry: true, .call(0, after: .zero))
        journey.didCall()
        guard case .call(2, let pause) = journey.step(after: .closed, at: 0, random: 7, mayRetry: { true }) else {
            Issue.record("the first was not asked again")
            return
        }
        #expect(pause >= .milliseconds(1) && pause <= .milliseconds(50))
        journey.didCall()
        guard case .call(0, _) = journey.step(after: .failing, at: 2, random: 7, mayRetry: { true }) else {
            Issue.record("the second was not asked again")
            return
        }
    }

    @Test("ends with as many calls as there may be")
    func bounded() {
        var journey = journey([0, 1, 2, 3], most: 2)
        expect(&journey, after: .failing, at: 0, mayRetry: true, .call(1, after: .zero))
        journey.didCall()
        expect(&journey, after: .failing, at: 1, mayRetry: true, .stop)
    }

    @Test("asks nobody again whose failure stays", arguments: [CallFailure.silent, .broken, .misconfigured])
    func lasting(_ failure: CallFailure) {
        var journey = journey([0])
        expect(&journey, after: failure, at: 0, mayRetry: true, .stop)
    }

    @Test("a failure that cost nobody anything takes nothing from the budget, another does")
    func budget() {
        var free = journey([0, 1])
        expect(&free, after: .unreachable, at: 0, mayRetry: false, .call(1, after: .zero))
        var dear = journey([0, 1])
        expect(&dear, after: .failing, at: 0, mayRetry: false, .stop)
        // To come back to one that could not be reached is a retry like any other.
        var alone = journey([0])
        expect(&alone, after: .unreachable, at: 0, mayRetry: false, .stop)
    }

    @Test("Retry-After is waited for as long as a client has patience, and not where somebody else can answer")
    func retryAfter() {
        var alone = journey([0])
        expect(&alone, after: .overloaded(retryAfter: .seconds(2)), at: 0, mayRetry: true, .call(0, after: .seconds(2)))
        var long = journey([0])
        expect(&long, after: .overloaded(retryAfter: .seconds(6)), at: 0, mayRetry: true, .stop)
        var two = journey([0, 1])
        expect(&two, after: .overloaded(retryAfter: .seconds(60)), at: 0, mayRetry: true, .call(1, after: .zero))
    }

    @Test("pauses grow and are spread over their whole length")
    func jitter() {
        var pauses: [Int: Set<Duration>] = [:]
        for random in UInt64(0)..<500 {
            var journey = journey([0], most: 10)
            for round in 0..<4 {
                guard
                    case .call(0, let pause) = journey.step(
                        after: .failing, at: 0, random: random &* 0x9E37_79B9_7F4A_7C15, mayRetry: { true })
                else { continue }
                pauses[round, default: []].insert(pause)
                journey.didCall()
            }
        }
        for (round, most) in [50, 100, 200, 400].enumerated() {
            let seen = pauses[round] ?? []
            #expect(seen.count > 200)
            #expect((seen.max() ?? .zero) <= .milliseconds(most))
            #expect((seen.max() ?? .zero) > .milliseconds(most * 9 / 10))
            #expect((seen.min() ?? .seconds(1)) < .milliseconds(most / 10 + 1))
        }
    }
}

@Suite("A retry budget")
struct RetryBudgetTests {
    @Test("lets a share of the requests be made again once its savings are gone")
    func share() {
        var settings = RetryBudget.Settings()
        settings.perSecond = 0
        settings.most = 10
        var budget = RetryBudget(settings: settings, at: .zero)
        var made = 0
        for _ in 0..<1000 {
            budget.request(at: .zero)
            if budget.retry(at: .zero) { made += 1 }
        }
        #expect((205...210).contains(made))
    }

    @Test("always has some for a service with few requests")
    func time() {
        var budget = RetryBudget(at: .zero)
        while budget.retry(at: .zero) {}
        let made = [budget.retry(at: .milliseconds(100)), budget.retry(at: .milliseconds(301))]
        #expect(made == [false, true])
    }
}

@Suite("A mean that forgets")
struct LatencyMeanTests {
    @Test("follows what is measured, and forgets it")
    func follows() {
        var mean = LatencyMean()
        #expect(mean.value(at: .zero) == nil)
        mean.note(.milliseconds(100), at: .zero)
        #expect(mean.value(at: .seconds(1)) == .milliseconds(100))
        for second in 1...60 { mean.note(.milliseconds(500), at: .seconds(second)) }
        let value = mean.value(at: .seconds(60)) ?? .zero
        #expect(value > .milliseconds(490) && value <= .milliseconds(500))
        #expect(mean.value(at: .seconds(60) + LatencyMean.memory) == nil)
        mean.note(.milliseconds(7), at: .seconds(60) + LatencyMean.memory)
        #expect(mean.value(at: .seconds(60) + LatencyMean.memory) == .milliseconds(7))
    }

    @Test("one moment's burst moves it less than the same samples over time")
    func burst() {
        var (burst, spread) = (LatencyMean(), LatencyMean())
        burst.note(.milliseconds(100), at: .zero)
        spread.note(.milliseconds(100), at: .zero)
        for number in 1...5 {
            burst.note(.milliseconds(900), at: .microseconds(number))
            spread.note(.milliseconds(900), at: .seconds(10 * number))
        }
        #expect((burst.value(at: .seconds(1)) ?? .zero) < .milliseconds(300))
        #expect((spread.value(at: .seconds(50)) ?? .zero) > .milliseconds(800))
    }
}
