import CoreMetrics
import Synchronization

/// A number that only grows.
final class CounterInstrument: CounterHandler, FloatingPointCounterHandler {
    private let bits = Atomic<UInt64>(0)
    private let whole = Atomic<Int64>(0)

    func increment(by amount: Int64) { whole.wrappingAdd(amount, ordering: .relaxed) }

    func increment(by amount: Double) { bits.add(amount) }

    func reset() {
        whole.store(0, ordering: .relaxed)
        bits.store(0, ordering: .relaxed)
    }

    var value: Double { Double(whole.load(ordering: .relaxed)) + Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// A number that goes up and down.
final class GaugeInstrument: MeterHandler {
    private let bits = Atomic<UInt64>(0)

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    func increment(by amount: Double) { bits.add(amount) }
    func decrement(by amount: Double) { bits.add(-amount) }

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// Observations counted by size. A scrape may see an observation in a bucket and not yet in the sum; the next one does.
final class HistogramInstrument: RecorderHandler, TimerHandler {
    let bounds: [Double]
    /// One for each bound and one above all; not cumulative.
    private let counts: Cells
    private let sum = Atomic<UInt64>(0)

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = Cells(count: bounds.count + 1)
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        // Fewer than twenty bounds: a straight search is as fast as any.
        counts.increment(bounds.firstIndex { value <= $0 } ?? bounds.count)
        sum.add(value)
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    /// Counts in each bucket, not cumulative, and the sum of what was observed.
    var snapshot: (counts: [UInt64], sum: Double) {
        (counts.all, Double(bitPattern: sum.load(ordering: .relaxed)))
    }
}

/// A fixed row of counters that are raised without a lock.
private final class Cells: Sendable {
    private final class Cell: Sendable { let value = Atomic<UInt64>(0) }
    private let cells: [Cell]

    init(count: Int) { cells = (0..<count).map { _ in Cell() } }

    func increment(_ index: Int) { cells[index].value.wrappingAdd(1, ordering: .relaxed) }

    var all: [UInt64] { cells.map { $0.value.load(ordering: .relaxed) } }
}

extension Atomic where Value == UInt64 {
    /// Adds to the `Double` that the bits stand for.
    func add(_ amount: Double) {
        var old = load(ordering: .relaxed)
        while true {
            let sum = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, original) = weakCompareExchange(expected: old, desired: sum, ordering: .relaxed)
            if exchanged { return }
            old = original
        }
    }
}
