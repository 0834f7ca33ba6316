import Billing
import Kernel
import Logging
import Metrics

/// The node's slices: what is not needed here goes back, what will be is taken.
extension EscrowKeeper {
    func keepSlices() async {
        var outage = Outage("the ledger cannot be asked for slices now", life.logger)
        repeat {
            do {
                try await lookAtSlices()
                outage.isOver()
            } catch {
                outage.began(error)
                try? await clock.sleep(for: settings.retry)
            }
        } while await pause(settings.tick)
    }

    /// One look: gives back what is not needed here, and takes what will be.
    package func lookAtSlices() async throws {
        metrics.show(life)
        guard let holder = life.holder else { return }
        let hasFree = life.read { book, _ in book.hasFreeUnits }
        let since = life.read { book, uptime in book.ledgerTime(at: uptime) }
        var wanted: Set<AccountID> = []
        if hasFree, let since {
            wanted = Set(try await store.wants(since: since - settings.tick * 6, except: holder))
        }
        try await giveBack(wanted: wanted, all: false, holder)
        try await life.topUp(atMost: Self.most, atOnce: Self.atOnce)
    }

    private func giveBack(wanted: Set<AccountID>, all: Bool, _ holder: EscrowHolder) async throws {
        let returns = life.change { $0.giveBack(wanted: wanted, all: all, at: $1, limit: Self.most) }
        // At once, so that the ledger makes one transaction of many, and nobody's wish waits behind all the others.
        try await returns.forEach(atOnce: Self.atOnce) { one in
            let isKnown = try await store.giveBack(one.amount, of: one.escrow, by: holder, id: one.id)
            life.change { book, _ in book.returned(one) }
            if !isKnown {
                metrics.refused.increment()
                life.logger.error(
                    "the ledger refused to take back what this node believed to hold",
                    metadata: ["account": "\(one.account)", "escrow": "\(one.escrow)", "amount": "\(one.amount)"])
            }
        }
    }

    // MARK: The end

    /// Gives everything back. For a node that accepts nothing new; `run` has ended. What still runs, or is not settled,
    /// after `limit` is left for this node's next life.
    package func drain(atMost limit: Duration) async {
        let end = clock.uptime + limit
        var quiet: Duration?
        while let holder = life.holder {
            do {
                try await giveBack(wanted: [], all: true, holder)
                let isQuiet = life.read { book, _ in book.running == 0 && book.runningOlder == 0 }
                quiet = isQuiet ? quiet ?? clock.uptime : nil
                if let quiet, await isSettled(quiet) {
                    try await store.end(holder)
                    life.change { book, _ in book.drop() }
                    return
                }
            } catch {
                life.logger.warning("slices cannot be given back now", metadata: ["error": "\(error)"])
            }
            guard clock.uptime < end, await pause(.milliseconds(50)) else { return }
        }
    }
}
