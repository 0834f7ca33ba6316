import Dispatch
import TestKit
import Testing

@testable import PostgresEngine

@Suite struct CancellerTests {
    @Test("as many cancellations wait as may, one more is refused, and those that wait are sent")
    func bound() async throws {
        let canceller = Canceller(capacity: 2)
        let gate = DispatchSemaphore(value: 0)
        let (begun, sent) = (Shared(0), Shared(0))
        let hold: @Sendable () -> Void = {
            begun.update { $0 += 1 }
            gate.wait()
            sent.update { $0 += 1 }
        }
        #expect(canceller.enqueue(hold))
        try await eventually("the first one is being sent") { begun.value == 1 }
        #expect(canceller.enqueue(hold) && canceller.enqueue(hold))
        #expect(!canceller.enqueue(hold))
        for _ in 0..<3 { gate.signal() }
        try await eventually("those that were taken are sent") { sent.value == 3 }
        #expect(canceller.enqueue { sent.update { $0 += 1 } })
        try await eventually("there is room again") { sent.value == 4 }
        canceller.close()
        #expect(!canceller.enqueue(hold))
        #expect(begun.value == 3)
    }
}
