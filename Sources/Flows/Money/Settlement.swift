package import Billing
package import Inference
package import Kernel

/// A usage row with everything that is posted for it. A class, since a batch of them goes through several hands and
/// each copy of a value would retain all that is in it.
package final class Settlement: Sendable {
    package let record: UsageRecord
    /// What stands in the row beside the record.
    package let bill: Bill
    /// All or none, with the row, once.
    package let transfers: [Transfer]
    package let suspended: SuspendedItem?

    package init(record: UsageRecord, bill: Bill, transfers: [Transfer], suspended: SuspendedItem?) {
        self.record = record
        self.bill = bill
        self.transfers = transfers
        self.suspended = suspended
    }
}

/// What a request cost, and by which books.
package struct Bill: Sendable, Hashable {
    package enum State: String, Sendable, Codable, CaseIterable {
        /// There was no price book when it was accepted.
        case free
        case charged
        /// No price was found, or its place was gone: it waits in suspense.
        case suspended
    }

    package let state: State
    /// What the tenant pays.
    package let price: Money?
    /// What it costs us.
    package let cost: Money?
    package let umu: UMU?
    /// 0 for none.
    package let priceVersion: Int
    package let costVersion: Int

    package init(state: State, price: Money?, cost: Money?, umu: UMU?, priceVersion: Int, costVersion: Int) {
        self.state = state
        self.price = price
        self.cost = cost
        self.umu = umu
        self.priceVersion = priceVersion
        self.costVersion = costVersion
    }
}

/// Something that could not be booked where it belongs. Never dropped; resolved by a rule or a person.
package struct SuspendedItem: Sendable, Hashable {
    package enum Reason: String, Sendable, Codable, CaseIterable {
        /// The book in force has no price for it.
        case unpriced
        /// What was set aside for it has ended.
        case late
        /// Arithmetic does not fit.
        case overflow
    }

    package let request: RequestID
    package let workspace: WorkspaceID
    package let reason: Reason
    /// Nil while nobody knows how much it is.
    package let amount: Money?
    package let accepted: Instant

    package init(request: RequestID, workspace: WorkspaceID, reason: Reason, amount: Money?, accepted: Instant) {
        self.request = request
        self.workspace = workspace
        self.reason = reason
        self.amount = amount
        self.accepted = accepted
    }
}

/// Stores usage rows and their transfers together. Throws `Problem(.storageUnavailable)` or `.storageFull`.
package protocol SettlementStore: Sendable {
    /// One transaction. A record whose row is there already posts nothing. A part whose escrow has ended or is short
    /// does not hold the rest up: what a purse should have paid goes to suspense, what a budget should have counted is
    /// counted by its write-off.
    func settle(_ settlements: [Settlement]) async throws -> SettlementReport
}

/// What was not as it should be; each figure is an alarm.
package struct SettlementReport: Sendable, Hashable {
    package var repeated = 0
    package var late = 0
    package var events: [BudgetEvent] = []

    package init() {}
}
