import Billing
import Cryptography
import Database
import Flows
import Inference
import Kernel
import Logging
import Stores
import Tenancy

/// What is stored about money: the platform works with it, and so does a command line that finds no platform running.
struct MoneyStorage: Sendable {
    let ledger: DatabaseLedger
    let prices: any PriceStore
    let providers: any ProviderStore
    let budgets: DatabaseBudgetStore
    let rolling: DatabaseRollingBudgets
    let limits: any LimitStore
    let rates: any RateStore
    let wallets: DatabaseWalletStore
    let spending: any SpendingStore
    let reports: any LedgerReports
    let usage: any UsageReports
    let linking: LedgerLinking
    let verification: LedgerVerificationFlow
    private let clock: any Clock
    private let logger: Logger

    /// - Parameter isNewFolder: whether the data folder has served no database yet.
    /// - Throws: where the file of the ledger's anchors cannot be made.
    static func open(
        over database: any Database, keys: AuditKey, folder: DataFolder, isNewFolder: Bool, writeOff: Duration,
        clock: any Clock, ids: IDSource, logger: Logger
    ) async throws -> MoneyStorage {
        let links = DatabaseLedgerChain(database, linking: keys.ledger.links)
        let anchors = LedgerAnchorFile(path: folder.ledgerAnchorsFile, sealer: keys.ledger.anchors, clock: clock)
        try await anchors.begin(over: links, isNewFolder: isNewFolder)
        return MoneyStorage(
            over: database, keys: keys, anchors: anchors, links: links, writeOff: writeOff, clock: clock, ids: ids,
            logger: logger)
    }

    private init(
        over database: any Database, keys: AuditKey, anchors: any LedgerAnchors, links: DatabaseLedgerChain,
        writeOff: Duration, clock: any Clock, ids: IDSource, logger: Logger
    ) {
        let (audit, sealers) = (keys.chains, keys.ledger)
        let reports = DatabaseLedgerReports(database)
        ledger = DatabaseLedger(database, sealing: sealers.postings, ids: ids)
        prices = DatabasePriceStore(database, sealing: audit)
        providers = DatabaseProviderStore(database)
        budgets = DatabaseBudgetStore(database, sealing: audit)
        rolling = DatabaseRollingBudgets(database, ledger: ledger)
        limits = DatabaseLimitStore(database, sealing: audit)
        rates = DatabaseRateStore(database)
        wallets = DatabaseWalletStore(database, sealing: audit, ledger: sealers.postings, ids: ids)
        spending = DatabaseSpendingStore(database)
        self.reports = reports
        usage = DatabaseUsageReports(database)
        linking = LedgerLinking(links: links, anchors: anchors, sealer: sealers.links, logger: logger)
        verification = LedgerVerificationFlow(
            reports: reports, anchors: anchors,
            verification: LedgerVerification(
                postings: sealers.postings, links: sealers.links, grace: writeOff + .seconds(600)))
        self.clock = clock
        self.logger = logger
    }

    /// The books as a process without a platform reads them.
    private var ownBooks: PriceBooks { PriceBooks(store: prices, providers: providers, clock: clock) }

    /// Pays for what a journal holds.
    /// - Parameter books: of the platform that runs here; nil without one.
    func settlement(over books: PriceBooks? = nil) -> SettlementFlow {
        SettlementFlow(store: ledger, ledger: ledger, books: books ?? ownBooks, logger: logger)
    }

    func suspense(over books: PriceBooks) -> SuspenseFlow {
        SuspenseFlow(store: ledger, ledger: ledger, spending: spending, books: books, logger: logger)
    }

    /// What the control plane works with.
    /// - Parameters:
    ///   - books: of the platform that runs here; nil without one.
    ///   - didChange: brings a change into force on this node.
    func control(
        books: PriceBooks? = nil, didChange: @escaping @Sendable () async -> Void = {}
    ) -> MoneyParts {
        let suspense = suspense(over: books ?? ownBooks)
        return MoneyParts(
            prices: prices, budgets: budgets, limits: limits, wallets: wallets, spending: spending, ledger: ledger,
            reports: reports, usage: usage,
            actions: MoneyParts.Actions(
                didChange: didChange, verify: { try await verification.verify() },
                suspended: { try await suspense.list($0) }, resolve: { try await suspense.resolve() }))
    }
}
