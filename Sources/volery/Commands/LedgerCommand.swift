import App
import ArgumentParser
import Billing
import Flows
import Kernel

struct LedgerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger", abstract: "Reads and proves the ledger: every movement of money, in two legs.",
        subcommands: [
            Verify.self, Show.self, Statement.self, Balance.self, Accounts.self, Suspense.self,
        ])
}

extension LedgerCommand {
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Recomputes everything from the transfers, and explains each difference.",
            discussion: "Ends with 1 when something is not as it must be.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let verdict = try await context.control(patiently: "recomputing the ledger") {
                try await $0.verifyLedger()
            }
            let terminal = context.terminal
            if listing.json {
                try terminal.write(json: verdict)
            } else {
                try terminal.write(
                    Facts.text([
                        ("transfers", "\(verdict.transfers)"), ("accounts", "\(verdict.accounts)"),
                        ("escrows", "\(verdict.escrows)"), ("requests", "\(verdict.requests)"),
                        ("links", "\(verdict.links)"), ("waiting", "\(verdict.waiting)"),
                        ("anchored", verdict.anchored.map { "\($0)" } ?? "no anchor"),
                    ]))
                for finding in verdict.findings {
                    let subjects = finding.subjects.joined(separator: ", ")
                    terminal.talk(
                        Terminal.printable("\(finding.kind.rawValue): \(finding.message) [\(subjects)]") + "\n")
                }
                if verdict.more > 0 { terminal.talk("… and \(verdict.more) more.\n") }
                terminal.talk(verdict.ok ? "The ledger is whole.\n" : "The ledger is not as it must be.\n")
            }
            guard verdict.ok else { throw ExitCode(ExitStatus.failed.rawValue) }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows an account, or every transfer of a request.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(
            help: "acc_…, req_…, or a transfer's identifier that begins with a request's.",
            transform: LedgerSubject.init(argument:))
        var subject: LedgerSubject

        func run() async throws {
            let context = CommandContext(options)
            switch subject {
            case .account(let id): try await show(context, id)
            case .request(let id, let transfer): try await show(context, id, transfer)
            }
        }

        private func show(_ context: CommandContext, _ id: AccountID) async throws {
            let account = try await context.control { try await $0.account(id) }
            if listing.json { return try context.terminal.write(json: account) }
            try context.terminal.write(
                Facts.text([
                    ("id", "\(account.id)"), ("kind", account.kind.rawValue), ("asset", account.asset),
                    ("tenant", account.tenant?.description), ("workspace", account.workspace?.description),
                    ("of", account.subject), ("debits", account.debits.text), ("credits", account.credits.text),
                    ("pending", account.pending.text), ("limit", account.limit?.text),
                    ("available", account.available?.text), ("begins", account.begins?.short),
                    ("ends", account.ends?.short),
                ]))
        }

        private func show(_ context: CommandContext, _ id: RequestID, _ transfer: String?) async throws {
            let entries = try await context.control { try await $0.entries(of: id) }
            let shown = entries.transfers.filter { transfer == nil || $0.id == transfer }
            guard !shown.isEmpty else {
                throw Problem(
                    .notFound, "There is no such transfer.", hint: "`volery ledger show \(id)` shows the request's.")
            }
            try context.terminal.list(shown, asJSON: listing.json, none: "Nothing was posted.") { rows in
                Table(
                    [
                        .init("TRANSFER"), .init("KIND"), .init("REASON"), .init("AMOUNT", .right), .init("DEBIT"),
                        .init("CREDIT"),
                    ],
                    rows: rows.map { row in
                        [
                            row.id, row.kind.rawValue, row.reason.rawValue, "\(row.amount)", "\(row.debit)",
                            "\(row.credit)",
                        ]
                    })
            }
        }
    }

    struct Statement: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what went in and out of a workspace's wallet, or of one account, oldest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: WorkspaceOption
        @Option(help: "This account in the place of a wallet; its identifier.", transform: identifier)
        var account: AccountID?
        @Option(help: "The wallet's currency, where it has several.") var currency: String?
        @Option(
            help: ArgumentHelp("From when on; 30 days ago otherwise.", valueName: "when"),
            transform: Moment.init(argument:))
        var from: Moment?
        @Option(
            help: ArgumentHelp("Until before when; now otherwise.", valueName: "when"),
            transform: Moment.init(argument:))
        var to: Moment?
        @Option(help: "At most so many lines, 1 to 100000; 1000 otherwise.") var limit = 1000

        func validate() throws {
            guard (1...100_000).contains(limit) else { throw ValidationError("--limit must be 1 to 100000.") }
            if account != nil, place.workspace != nil {
                throw ValidationError("Give --account or --workspace, not both.")
            }
        }

        func run() async throws {
            let context = CommandContext(options)
            let (first, lines) = try await context.control { [self] control in
                let request = StatementRequest(
                    account: account, workspace: try await control.workspaceID(place), currency: currency,
                    from: from?.instant, until: to?.instant ?? context.clock.now)
                let first = try await control.statement(request, PageRequest(limit: 1))
                let lines = try await everyItem(limit: limit) { try await control.statement(request, $0).lines }
                return (first, lines)
            }
            let terminal = context.terminal
            if listing.json {
                return try terminal.write(
                    json: ShownStatement(
                        opening: first.opening, closing: first.closing, pending: first.pending, lines: lines))
            }
            terminal.talk("opening \(first.opening), closing \(first.closing), set aside \(first.pending)\n")
            try terminal.list(lines, asJSON: false, none: "Nothing went in or out.") { rows in
                Table(
                    [
                        .init("POSTED"), .init("REASON"), .init("REQUESTS", .right), .init("CHANGE", .right),
                        .init("BALANCE", .right), .init("TRANSFER"),
                    ],
                    rows: rows.map { row in
                        [
                            row.posted.short, row.transfer.reason.rawValue,
                            row.transfer.requests == 0 ? "" : "\(row.transfer.requests)", row.change.text,
                            row.balance.text, row.transfer.id,
                        ]
                    })
            }
        }
    }

    struct Balance: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what a workspace has: what is left of its credit, less what it owes.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Option(help: "The tenant: all of it, or the one whose workspace is named.") var tenant: String?
        @Option(help: "The workspace, by identifier or name; the default one otherwise.") var workspace: String?

        func run() async throws {
            let context = CommandContext(options)
            let balance = try await context.control { [tenant, workspace] control in
                let place = try await control.place(tenant: tenant, workspace: workspace)
                return try await control.balance(
                    of: control.tenantID(orNil: place.tenant), workspace: place.workspace.flatMap { WorkspaceID($0) })
            }
            if listing.json { return try context.terminal.write(json: balance) }
            try context.terminal.write(
                Facts.text([
                    ("pays", balance.mode.rawValue), ("posted", "\(balance.posted) \(balance.currency.rawValue)"),
                    ("pending", "\(balance.pending) \(balance.currency.rawValue)"),
                    ("available", "\(balance.available) \(balance.currency.rawValue)"),
                    ("shared", "\(balance.shared) \(balance.currency.rawValue)"),
                ]))
            for other in balance.balances where other.currency != balance.currency {
                context.terminal.talk("also \(other.posted) \(other.currency.rawValue)\n")
            }
        }
    }

    struct Accounts: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists accounts with their sums.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: MoneyPlaceOption
        @Flag(help: "The platform's own: revenue, cost, suspense, loss and the like.") var platform = false

        func validate() throws {
            if platform, place.tenant != nil || place.workspace != nil {
                throw ValidationError("--platform has no tenant and no workspace.")
            }
        }

        func run() async throws {
            let context = CommandContext(options)
            let accounts = try await context.control { [place, platform] control in
                let place = try await place.found(in: control)
                return try await control.accounts(
                    of: place.tenant, workspace: place.workspace, isPlatform: platform)
            }
            // The platform has one of each kind in every asset; most of them never move.
            let shown = listing.json || !platform ? accounts : accounts.filter(\.hasMoved)
            try context.terminal.list(shown, asJSON: listing.json, none: "No accounts yet.") { rows in
                Table(
                    [
                        .init("ID"), .init("KIND"), .init("OF"), .init("ASSET"), .init("DEBITS", .right),
                        .init("CREDITS", .right), .init("PENDING", .right), .init("AVAILABLE", .right),
                    ],
                    rows: rows.map { row in
                        [
                            "\(row.id)", row.kind.rawValue, row.subject, row.asset, row.debits.text, row.credits.text,
                            row.pending.text, row.available?.text ?? "",
                        ]
                    })
            }
        }
    }
}

extension AccountView {
    fileprivate var hasMoved: Bool { debits.units != 0 || credits.units != 0 || pending.units != 0 }
}

/// A statement as JSON: all of its pages in one.
private struct ShownStatement: Encodable {
    let opening: Amount
    let closing: Amount
    let pending: Amount
    let lines: [StatementLineView]
}

/// What `ledger show` is about.
enum LedgerSubject: Equatable {
    case account(AccountID)
    /// With one transfer of it, or all.
    case request(RequestID, transfer: String?)

    init(argument: String) throws {
        if let id = AccountID(argument) {
            self = .account(id)
        } else if let id = RequestID(argument.prefix { $0 != "/" }) {
            self = .request(id, transfer: argument.contains("/") ? argument : nil)
        } else {
            throw ValidationError("Give an account, acc_…, a request, req_…, or a transfer of one, req_…/charge/0.")
        }
    }
}

/// A point in time: a day, a time, or so long ago.
struct Moment: Equatable {
    let instant: Instant

    init(argument: String) throws {
        guard case .at(let instant) = try Expiry(argument: argument) else {
            throw ValidationError("`\(argument)` is no time; give 2027-01-31 or 2027-01-31T00:00:00Z.")
        }
        self.instant = instant
    }
}
