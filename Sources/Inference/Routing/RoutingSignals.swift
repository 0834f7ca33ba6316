/// How the candidates of one decision do, in their order. Mostly there is one, which needs no memory of its own.
package struct RoutingSignals: Sendable, RandomAccessCollection {
    private let first: RoutingSignal?
    private let others: [RoutingSignal]

    package init(_ signals: [RoutingSignal]) {
        first = signals.first
        others = Array(signals.dropFirst())
    }

    /// - Parameter costs: one for each; none at all where nobody asks for them.
    package init(of states: [DeploymentState], costs: [Int64?], at uptime: Duration) {
        func signal(_ place: Int) -> RoutingSignal {
            var signal = states[place].signal(at: uptime)
            if !costs.isEmpty { signal.cost = costs[place] }
            return signal
        }
        first = states.isEmpty ? nil : signal(0)
        others = states.count > 1 ? states.indices.dropFirst().map(signal) : []
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { first == nil ? 0 : 1 + others.count }

    package subscript(place: Int) -> RoutingSignal {
        if place == 0, let first { return first }
        return others[place - 1]
    }
}
