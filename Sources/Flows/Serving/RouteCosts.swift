package import Billing
package import Inference
package import Kernel

/// What requests likely cost us, by which deployments may be compared. In memory: asked for every request whose policy
/// looks at costs, on its event loop.
package protocol RouteCosts: Sendable {
    /// - Returns: in ledger units of `RouteCosts.currency`; nil where no book says.
    func cost(of quantities: Quantities, on deployment: Deployment, operation: Operation, at time: Instant) -> Int64?
}

/// Where nothing has a cost.
package struct NoCosts: RouteCosts {
    package init() {}

    package func cost(
        of quantities: Quantities, on deployment: Deployment, operation: Operation, at time: Instant
    ) -> Int64? { nil }
}

extension PriceBooks: RouteCosts {
    /// What candidates are compared in: one currency, whichever the books are written in.
    package static let currency = Currency.usd

    /// By the book of costs. A machine of our own without a cost is compared by nothing, and comes last.
    package func cost(
        of quantities: Quantities, on deployment: Deployment, operation: Operation, at time: Instant
    ) -> Int64? {
        guard let table = table(.cost, at: time),
            let rates = table.rates(for: subject(of: deployment, operation: operation))
        else { return nil }
        return try? rates.amount(of: quantities, in: Self.currency)
    }
}
