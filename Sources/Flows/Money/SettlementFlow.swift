package import Billing
package import Inference
import Kernel
package import Logging
import Metrics
import Synchronization

/// Turns what the journal says of finished requests into rows and transfers. The same for requests that ended well and
/// for those that recovery found.
package struct SettlementFlow: UsageSink {
    /// Names in one line of the log.
    private static let mostNames = 5

    private let store: any SettlementStore
    private let ledger: any Ledger
    private let opened = OpenedAccounts()
    private let books: PriceBooks
    private let logger: Logger
    private let metrics = SettlementMetrics()

    /// - Parameter ledger: with the platform's accounts, but for those of providers.
    package init(store: any SettlementStore, ledger: any Ledger, books: PriceBooks, logger: Logger) {
        self.store = store
        self.ledger = ledger
        self.books = books
        self.logger = logger
    }

    /// - Throws: as `SettlementStore`, and as `PriceStore` where an old book must be read; then nothing is settled.
    package func insert(_ records: [UsageRecord]) async throws {
        if records.isEmpty { return }
        let outcomes = try await outcomes(of: records)
        let missing = opened.missing(outcomes.flatMap(\.accounts))
        if !missing.isEmpty {
            try await ledger.open(missing)
            opened.note(missing)
        }
        let report = try await store.settle(outcomes.map(\.settlement))
        tell(outcomes, report)
    }

    /// Everything that is posted for the records, in their order, without posting it.
    package func settlements(of records: [UsageRecord]) async throws -> [Settlement] {
        try await outcomes(of: records).map(\.settlement)
    }

    private func outcomes(of records: [UsageRecord]) async throws -> [SettlementRules.Outcome] {
        var outcomes: [SettlementRules.Outcome] = []
        outcomes.reserveCapacity(records.count)
        // Only what is not in memory is worth a suspension: a batch has hundreds.
        // And a record is too large to be copied out.
        for place in records.indices {
            if let outcome = remembered(records[place]) {
                outcomes.append(outcome)
            } else {
                outcomes.append(try await read(records[place]))
            }
        }
        return outcomes
    }

    private func read(_ record: UsageRecord) async throws -> SettlementRules.Outcome {
        let hold = record.billing.hold
        try await books.meet(record.billing.provider)
        for attempt in record.attempts { try await books.meet(attempt.provider) }
        let prices = try await books.table(.price, version: hold.prices)
        return outcome(of: record, prices, try await books.table(.cost, version: hold.costs))
    }

    private func remembered(_ record: UsageRecord) -> SettlementRules.Outcome? {
        let hold = record.billing.hold
        let provider = record.billing.provider
        guard books.hasMet(provider),
            record.attempts.allSatisfy({ $0.provider == provider || books.hasMet($0.provider) })
        else { return nil }
        do {
            let prices = try books.remembered(.price, version: hold.prices)
            return outcome(of: record, prices, try books.remembered(.cost, version: hold.costs))
        } catch {
            return nil
        }
    }

    private func outcome(
        of record: UsageRecord, _ prices: PriceTable?, _ costs: PriceTable?
    ) -> SettlementRules.Outcome {
        SettlementRules.settle(record, prices: prices, costs: costs) { provider in
            books.subject(model: record.model, provider: provider, operation: record.operation)
        }
    }

    // MARK: What somebody must hear of

    /// After it is stored, so that a try that failed raises no alarm. A batch that is shipped again, since a crash came
    /// between, may raise one twice.
    private func tell(_ outcomes: [SettlementRules.Outcome], _ report: SettlementReport) {
        metrics.settled.increment(by: outcomes.count - report.repeated)
        metrics.repeated.increment(by: report.repeated)
        let suspended = outcomes.filter { $0.settlement.suspended != nil }
        if !suspended.isEmpty {
            metrics.unpriced.increment(by: suspended.count)
            alarm(
                "usage has no price: it waits in suspense, and its tenants have not paid", suspended,
                ["models": names(suspended.map(\.settlement.record.model))])
        }
        let short = outcomes.filter { $0.excess != nil }
        if !short.isEmpty {
            metrics.aboveHold.increment(by: short.count)
            alarm(
                "requests took more than was held for them: the platform bears the rest", short,
                ["amounts": names(short.compactMap { $0.excess?.description })])
        }
        if report.late > 0 {
            metrics.late.increment(by: report.late)
            logger.error(
                "usage came after what was held for it had ended: its charges wait in suspense",
                metadata: ["charges": "\(report.late)"])
        }
        let uncounted = outcomes.reduce(0) { $0 + $1.uncounted }
        if uncounted > 0 {
            logger.warning(
                "budgets could not count some usage: the price book does not express it in what they count",
                metadata: ["times": "\(uncounted)"])
        }
        for event in report.events {
            metrics.alerts.increment()
            logger.notice(
                "a budget has passed a share of its amount",
                metadata: ["budget_id": "\(event.budget)", "percent": "\(event.share)", "spent": "\(event.spent)"])
        }
    }

    private func alarm(
        _ message: Logger.Message, _ outcomes: [SettlementRules.Outcome], _ metadata: Logger.Metadata
    ) {
        let requests = names(outcomes.map(\.settlement.record.request.description))
        logger.error(
            message, metadata: metadata.merging(["requests": requests, "count": "\(outcomes.count)"]) { $1 })
    }

    private func names(_ names: [String]) -> Logger.MetadataValue {
        var seen: Set<String> = []
        let different = names.filter { seen.insert($0).inserted }
        let rest = different.count > Self.mostNames ? ", …" : ""
        return .string(different.prefix(Self.mostNames).joined(separator: ", ") + rest)
    }
}

/// What this process knows to be open: a few for each provider.
private final class OpenedAccounts: Sendable {
    private let ids = Mutex<Set<AccountID>>([])

    func missing(_ accounts: [Account]) -> [Account] {
        ids.withLock { known in
            var seen = known
            return accounts.filter { seen.insert($0.id).inserted }
        }
    }

    func note(_ accounts: [Account]) { ids.withLock { $0.formUnion(accounts.map(\.id)) } }
}

/// What an operator sees of settling. The three at the end are alarms.
private struct SettlementMetrics: Sendable {
    let settled = Counter(label: "volery_money_settled_requests_total")
    let repeated = Counter(label: "volery_money_repeated_requests_total")
    let alerts = Counter(label: "volery_money_budget_alerts_total")
    let unpriced = Counter(label: "volery_unpriced_requests_total")
    let aboveHold = Counter(label: "volery_actual_above_hold_total")
    let late = Counter(label: "volery_late_captures_total")
}
