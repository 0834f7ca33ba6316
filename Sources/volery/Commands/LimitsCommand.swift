import App
import ArgumentParser
import Billing
import Flows
import Kernel

struct LimitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits", abstract: "How fast: requests and tokens a minute, and requests at once.",
        subcommands: [Set.self, List.self])
}

/// A limit to set, or that there is to be none.
enum LimitValue: Equatable {
    case amount(Int)
    case none

    init(argument: String) throws {
        if argument == "none" {
            self = .none
        } else if let amount = Int(argument), amount > 0 {
            self = .amount(amount)
        } else {
            throw ValidationError("`\(argument)` is no limit; give a number above 0, or none to take it away.")
        }
    }

    var amount: Int? { if case .amount(let amount) = self { amount } else { nil } }
}

extension LimitsCommand {
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets limits of a key, a user, a workspace, or a whole tenant.",
            discussion: """
                volery limits set --key key_… --rpm 60 --tpm 100000 --concurrency 4
                volery limits set --workspace W --rpm none
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: MoneyPlaceOption
        @Option(help: "Of this key; its identifier or prefix.", transform: KeyName.init(argument:)) var key: KeyName?
        @Option(help: "Of this user, with all keys; by identifier, or a person's name.") var user: String?
        @Option(help: "For this model alone: its name, or the beginning of names and a `*`.") var model: String?
        @Option(help: "Requests a minute; none takes it away.", transform: LimitValue.init(argument:))
        var rpm: LimitValue?
        @Option(help: "Tokens a minute; none takes it away.", transform: LimitValue.init(argument:))
        var tpm: LimitValue?
        @Option(help: "Requests at once; none takes it away.", transform: LimitValue.init(argument:))
        var concurrency: LimitValue?

        func validate() throws {
            guard rpm != nil || tpm != nil || concurrency != nil else {
                throw ValidationError("Give --rpm, --tpm or --concurrency.")
            }
        }

        /// Without what must be looked up.
        var change: LimitChange {
            var change = LimitChange()
            change.model = model
            change.rpm = rpm?.amount
            change.tpm = tpm?.amount
            change.concurrency = concurrency?.amount
            let removed = [("rpm", rpm), ("tpm", tpm), ("concurrency", concurrency)]
                .filter { $0.1 == LimitValue.none }.map(\.0)
            change.remove = removed.isEmpty ? nil : removed
            return change
        }

        func run() async throws {
            let context = CommandContext(options)
            let (limits, known) = try await context.control { [self] control in
                let place = try await place.found(in: control)
                var change = change
                change.key = try await control.keyID(orNil: key)?.description
                change.tenant = place.tenant?.description
                change.workspace = place.workspace?.description
                change.user = if let user { try await control.userID(named: user).description } else { nil }
                let known = try await KnownModels(control)
                return (try await control.setLimits(change), known)
            }
            let told = limits.map { limit in
                "\(limit.quantity.rawValue) \(limit.amount)" + (limit.model.map { " for \($0)" } ?? "")
            }
            try context.terminal.changed(
                limits, asJSON: listing.json,
                told.isEmpty
                    ? "No limit is in force for this scope."
                    : "In force: \(told.sorted().joined(separator: ", ")).")
            context.terminal.talk(known.unknown([model].compactMap(\.self)))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists a tenant's or a workspace's limits.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: MoneyPlaceOption

        func run() async throws {
            let context = CommandContext(options)
            let limits = try await context.control { [place] control in
                let place = try await place.found(in: control)
                return try await control.listLimits(in: place.tenant, workspace: place.workspace)
            }
            try context.terminal.list(limits, asJSON: listing.json, none: "No limits.") { rows in
                Table(
                    [.init("OF"), .init("WHICH"), .init("MODEL"), .init("LIMIT"), .init("AMOUNT", .right)],
                    rows: rows.map { row in
                        [row.subject, row.subjectID, row.model ?? "all", row.quantity.rawValue, "\(row.amount)"]
                    })
            }
        }
    }
}
