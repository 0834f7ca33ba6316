import Inference
import Testing

@Suite("A breaker")
struct BreakerTests {
    private func seconds(_ seconds: Int) -> Duration { .seconds(seconds) }

    @Test("opens after so many failures in a row, and not when one between succeeded")
    func inRow() {
        var breaker = Breaker(at: .zero)
        for _ in 0..<4 { breaker.failed(at: .zero) }
        breaker.succeeded(at: .zero)
        for _ in 0..<4 { breaker.failed(at: .zero) }
        #expect(breaker.health(at: .zero) == .good)
        breaker.failed(at: .zero)
        #expect(breaker.health(at: .zero) == .open)
        #expect(breaker.enter(at: seconds(4)) == false)
    }

    @Test("opens when half of a window's calls fail, and forgets those of the window before the last")
    func share() {
        var breaker = Breaker(at: .zero)
        for second in stride(from: 0, to: 40, by: 2) {
            breaker.succeeded(at: seconds(second))
            breaker.failed(at: seconds(second))
            // Ten calls in a window are too few to say anything.
            #expect(breaker.health(at: seconds(second)) == .good)
        }
        for _ in 0..<4 {
            breaker.succeeded(at: seconds(40))
            breaker.failed(at: seconds(40))
            breaker.failed(at: seconds(40))
        }
        #expect(breaker.health(at: seconds(40)) == .open)
    }

    @Test("lets one request through after its pause, and closes when that one succeeds")
    func probe() {
        var breaker = Breaker(at: .zero)
        for _ in 0..<5 { breaker.failed(at: .zero) }
        #expect(breaker.health(at: seconds(5)) == .good)
        let entered = (1...3).map { _ in breaker.enter(at: seconds(5)) }
        #expect(entered == [true, false, false])
        #expect(breaker.health(at: seconds(5)) == .probing)
        breaker.succeeded(at: seconds(6))
        #expect(breaker.health(at: seconds(6)) == .good)
        for _ in 0..<4 { breaker.failed(at: seconds(6)) }
        #expect(breaker.health(at: seconds(6)) == .good)
    }

    @Test("waits twice as long after each failed probe, up to its longest pause")
    func doubling() {
        var breaker = Breaker(at: .zero)
        for _ in 0..<5 { breaker.failed(at: .zero) }
        var time = Duration.zero
        var pauses: [Duration] = []
        for _ in 0..<9 {
            let began = time
            while !breaker.enter(at: time) { time += .seconds(1) }
            pauses.append(time - began)
            breaker.failed(at: time)
        }
        #expect(pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300].map { Duration.seconds($0) })
    }

    @Test("what was sent before it opened neither closes it nor keeps it open")
    func late() {
        var breaker = Breaker(at: .zero)
        for _ in 0..<5 { breaker.failed(at: .zero) }
        breaker.succeeded(at: seconds(1))
        breaker.failed(at: seconds(4))
        #expect(breaker.health(at: seconds(4)) == .open)
        #expect(breaker.health(at: seconds(5)) == .good)
    }

    @Test("a probe that nobody ends, or whose client leaves, keeps nobody out for long")
    func lostProbe() {
        var breaker = Breaker(at: .zero)
        for _ in 0..<5 { breaker.failed(at: .zero) }
        let first = breaker.enter(at: seconds(5))
        breaker.gaveUp(at: seconds(6))
        let second = breaker.enter(at: seconds(6))
        let early = breaker.enter(at: seconds(65))
        let third = breaker.enter(at: seconds(66))
        #expect([first, second, early, third] == [true, true, false, true])
    }
}
