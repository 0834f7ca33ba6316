import Gateway
import NIOCore
import Testing

@Suite struct ProgressPaceTests {
    /// One read: how much content there was by then, and when.
    struct Read {
        let events: Int
        let at: TimeAmount

        init(_ events: Int, _ at: TimeAmount = .zero) {
            self.events = events
            self.at = at
        }
    }

    /// Which of the reads were written down first.
    private func written(_ reads: [Read]) -> [Bool] {
        var pace = ProgressPace()
        return reads.map { pace.isDue(events: $0.events, at: .uptimeNanoseconds(1_000_000_000) + $0.at) }
    }

    @Test("nothing is written before the first content, however long that takes")
    func nothingYet() {
        #expect(written([Read(0), Read(0, .hours(1))]) == [false, false])
    }

    @Test("the first content is written at once")
    func first() {
        #expect(written([Read(0), Read(1), Read(1)]) == [false, true, false])
    }

    @Test("then it is written after 64 events, counted from the last record")
    func byEvents() {
        #expect(written([Read(3), Read(66), Read(67), Read(130), Read(131)]) == [true, false, true, false, true])
        // One read may bring many.
        #expect(written([Read(1), Read(1000), Read(1063), Read(1064)]) == [true, true, false, true])
    }

    @Test("or after 250 ms, when there is anything new")
    func byTime() {
        let reads = [Read(1), Read(2, .milliseconds(249)), Read(2, .milliseconds(250)), Read(2, .milliseconds(600))]
        #expect(written(reads) == [true, false, true, false])
        // The interval that passed without anything new was an interval.
        let later = reads + [Read(3, .milliseconds(849)), Read(3, .milliseconds(850))]
        #expect(written(later) == [true, false, true, false, false, true])
    }
}
