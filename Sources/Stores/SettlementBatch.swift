import Flows
import Inference
import Kernel

/// Settlements of different requests, as they came, and the order of their requests' identifiers, which rows are
/// written in.
struct SettlementBatch {
    private(set) var settlements: [Settlement]
    /// The place of each settlement.
    let order: [Int]

    /// - Parameter settlements: of which the first of each request counts.
    init(_ settlements: [Settlement]) {
        let order = Self.order(of: settlements)
        let hasRepeats = zip(order, order.dropFirst()).contains {
            settlements[$0].record.request == settlements[$1].record.request
        }
        if hasRepeats {
            var seen: Set<RequestID> = []
            self.settlements = settlements.filter { seen.insert($0.record.request).inserted }
            self.order = Self.order(of: self.settlements)
        } else {
            self.settlements = settlements
            self.order = order
        }
    }

    /// Those that are not there yet.
    func without(_ known: Set<RequestID>) -> SettlementBatch {
        known.isEmpty ? self : SettlementBatch(settlements.filter { !known.contains($0.record.request) })
    }

    /// Puts another one of the same request in the place of one.
    mutating func replace(at place: Int, by settlement: Settlement) { settlements[place] = settlement }

    private static func order(of settlements: [Settlement]) -> [Int] {
        let requests = settlements.map(\.record.request)
        return requests.indices.sorted { requests[$0] < requests[$1] }
    }
}
