import Database
import Dispatch
import Synchronization
import TestKit
import Testing

@Suite struct ThreadPoolTests {
    @Test("one thread does its work in order, and all of it before it ends")
    func order() async throws {
        let pool = ThreadPool(threads: 1)
        let seen = Shared<[Int]>([])
        for number in 0..<500 { pool.run { seen.update { $0.append(number) } } }
        pool.close()
        try await eventually("all of it is done") { seen.value.count == 500 }
        #expect(seen.value == Array(0..<500))
    }

    @Test("several threads work at once, and never more than they are")
    func limit() async throws {
        let pool = ThreadPool(threads: 3)
        let gate = DispatchSemaphore(value: 0)
        let (running, most, done) = (Shared(0), Shared(0), Shared(0))
        for _ in 0..<12 {
            pool.run {
                running.update { $0 += 1 }
                let now = running.value
                most.update { $0 = max($0, now) }
                gate.wait()
                running.update { $0 -= 1 }
                done.update { $0 += 1 }
            }
        }
        try await eventually("three work") { running.value == 3 }
        for _ in 0..<12 { gate.signal() }
        try await eventually("all of it is done") { done.value == 12 }
        #expect(most.value == 3)
        pool.close()
    }

    @Test("what was handed over runs, though the owner lets go at once")
    func letGo() async throws {
        let done = Shared(0)
        for _ in 0..<50 {
            let pool = ThreadPool(threads: 2)
            for _ in 0..<4 { pool.run { done.update { $0 += 1 } } }
        }
        try await eventually("all of it is done") { done.value == 200 }
        #expect(done.value == 200)
    }
}
