/// Mistakes that somebody could make, each put in at a port. A scenario that does not find them proves nothing.
package enum MoneyBug: String, Sendable, CaseIterable {
    /// The ledger gives slices to whoever asks.
    case skippedFence = "skipped-fence"
    /// A batch that is sent again counts again.
    case doubleShipping = "double-shipping"
    /// What is given back never arrives.
    case lostVoid = "lost-void"
    /// What is given back again after nobody knew how it ended is given back twice.
    case doubleVoid = "double-void"
    /// The clock that a node's right goes by is slow.
    case slowClock = "slow-clock"
    /// A renewal of which nobody knows how it ended is taken for one that succeeded.
    case believedRenewal = "believed-renewal"
    /// Prices are cut to whole units for a token.
    case truncatedPrices = "truncated-prices"
    /// Of transfers that belong together, the last one is missing.
    case halfPosted = "half-posted"
    /// The guard of accounts overlooks what is set aside.
    case forgottenGuard = "forgotten-guard"
    /// What is settled after the end of a period counts in the next.
    case settledPeriod = "settled-period"
    /// What is written off also comes back to its budget.
    case doubleWriteOff = "double-write-off"
    /// What earlier lives hold is released before their journal is shipped.
    case earlyRelease = "early-release"
    /// Nothing comes back of a request that failed.
    case droppedTicket = "dropped-ticket"
    /// What is settled is priced by the book of that moment.
    case todaysPrices = "todays-prices"
    /// Nobody tells nodes when a period is over.
    case endlessPeriod = "endless-period"

    package var summary: String {
        switch self {
        case .skippedFence: "the ledger gives slices to a node whose right has ended"
        case .doubleShipping: "a batch of usage that is settled again when it is sent again"
        case .lostVoid: "giving back answers that it was done, and does nothing"
        case .doubleVoid: "giving back is repeated under another identifier"
        case .slowClock: "a node's right goes by a clock of half the speed"
        case .believedRenewal: "a renewal that failed is taken for one that succeeded"
        case .truncatedPrices: "prices for a thousand tokens are cut to whole units for one"
        case .halfPosted: "the last of a request's transfers is not posted"
        case .forgottenGuard: "an account's guard overlooks what is set aside"
        case .settledPeriod: "a request that is settled after its period counts in the next one"
        case .doubleWriteOff: "what is written off is given back to its budget as well"
        case .earlyRelease: "what earlier lives hold is released before their journal is shipped"
        case .droppedTicket: "the ticket of a request that failed is not ended"
        case .todaysPrices: "a request is priced by the book in force when it is settled"
        case .endlessPeriod: "slices outlive their period"
        }
    }
}
