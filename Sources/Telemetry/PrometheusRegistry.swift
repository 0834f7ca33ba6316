package import CoreMetrics
import Synchronization

/// The backend of swift-metrics: keeps every series, and writes them as Prometheus reads them.
package final class PrometheusRegistry: MetricsFactory {
    /// Series beyond this many share one that is thrown away: a label that grows without end must not take the process.
    package static let maximumSeries = 10_000

    struct SeriesKey: Hashable, Comparable {
        let name: String
        /// Sorted by label name.
        let labels: [Label]

        static func < (left: SeriesKey, right: SeriesKey) -> Bool {
            left.name != right.name
                ? left.name < right.name : left.labels.lexicographicallyPrecedes(right.labels)
        }
    }

    struct Label: Hashable, Comparable {
        let name: String
        let value: String

        static func < (left: Label, right: Label) -> Bool { (left.name, left.value) < (right.name, right.value) }
    }

    enum Instrument {
        case counter(CounterInstrument)
        case gauge(GaugeInstrument)
        case histogram(HistogramInstrument)
        /// Read at the scrape.
        case reading(@Sendable () -> Double, isCounter: Bool)

        enum Kind: String { case counter, gauge, histogram }

        var kind: Kind {
            switch self {
            case .counter, .reading(_, isCounter: true): .counter
            case .gauge, .reading(_, isCounter: false): .gauge
            case .histogram: .histogram
            }
        }
    }

    private struct State {
        var series: [SeriesKey: Instrument] = [:]
        /// The kind of each name, from its first series on.
        var kinds: [String: Instrument.Kind] = [:]
        var overflow = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// Adds a gauge whose value is asked for at each scrape. `read` must be quick.
    package func addGauge(
        _ name: String, _ labels: [(String, String)] = [], _ read: @escaping @Sendable () -> Double
    ) {
        add(name, labels, .reading(read, isCounter: false))
    }

    /// As `addGauge`, for a value that only grows.
    package func addCounter(_ name: String, _ read: @escaping @Sendable () -> Double) {
        add(name, [], .reading(read, isCounter: true))
    }

    /// Adds a gauge that is always 1 and says something by its labels.
    package func addInfo(_ name: String, _ labels: [(String, String)]) {
        add(name, labels, .reading({ 1 }, isCounter: false))
    }

    private func add(_ name: String, _ labels: [(String, String)], _ instrument: sending Instrument) {
        let key = Self.key(name, labels)
        state.withLock { $0.series[key] = instrument }
    }

    /// Every series in order, and how many were refused.
    var snapshot: (series: [(SeriesKey, Instrument)], overflow: Int) {
        let (series, overflow) = state.withLock { ($0.series, $0.overflow) }
        return (series.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, overflow)
    }

    private static func key(_ name: String, _ labels: [(String, String)]) -> SeriesKey {
        SeriesKey(name: name, labels: labels.map { Label(name: $0.0, value: $0.1) }.sorted())
    }

    private func instrument<Found>(
        _ name: String, _ labels: [(String, String)], find: (Instrument) -> Found?,
        make: () -> (Found, Instrument)
    ) -> Found {
        let key = Self.key(name, labels)
        return state.withLock { state in
            if let existing = state.series[key], let found = find(existing) { return found }
            let (made, instrument) = make()
            // A second kind under one name would make the whole page unreadable; it counts for itself only.
            let kind = state.kinds[name] ?? instrument.kind
            guard kind == instrument.kind, state.series[key] == nil, state.series.count < Self.maximumSeries else {
                state.overflow += 1
                return made
            }
            state.kinds[name] = kind
            state.series[key] = instrument
            return made
        }
    }

    private func counter(_ label: String, _ dimensions: [(String, String)]) -> CounterInstrument {
        instrument(label, dimensions) {
            if case .counter(let counter) = $0 { counter } else { nil }
        } make: {
            let counter = CounterInstrument()
            return (counter, .counter(counter))
        }
    }

    private func histogram(_ label: String, _ dimensions: [(String, String)]) -> HistogramInstrument {
        instrument(label, dimensions) {
            if case .histogram(let histogram) = $0 { histogram } else { nil }
        } make: {
            let histogram = HistogramInstrument(bounds: Buckets.of(label))
            return (histogram, .histogram(histogram))
        }
    }

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> GaugeInstrument {
        instrument(label, dimensions) {
            if case .gauge(let gauge) = $0 { gauge } else { nil }
        } make: {
            let gauge = GaugeInstrument()
            return (gauge, .gauge(gauge))
        }
    }

    // MARK: MetricsFactory

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        counter(label, dimensions)
    }

    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        counter(label, dimensions)
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        gauge(label, dimensions)
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        if aggregate { return histogram(label, dimensions) }
        return GaugeRecorder(gauge: gauge(label, dimensions))
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(label, dimensions)
    }

    // Series live as long as the process: a counter that vanishes and comes back at 0 looks like a restart.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}
}

/// A recorder that keeps the last value only.
private final class GaugeRecorder: RecorderHandler {
    private let gauge: GaugeInstrument

    init(gauge: GaugeInstrument) { self.gauge = gauge }

    func record(_ value: Int64) { gauge.set(value) }
    func record(_ value: Double) { gauge.set(value) }
}
