import App
import ArgumentParser
import Billing
import Flows
import Kernel

struct PricesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prices", abstract: "What models cost: versions of two books, which are never rewritten.",
        discussion: """
            One book holds what tenants pay, the other (--cost) what it costs the platform. A request keeps the price \
            that was in force when it was accepted.
            """,
        subcommands: [Set.self, Import.self, Export.self, List.self, Show.self, Quote.self])
}

/// Which of the two books.
struct BookOption: ParsableArguments {
    @Flag(help: "The book of what it costs the platform; otherwise that of what tenants pay.") var cost = false

    var kind: String { (cost ? PriceBook.Kind.cost : .price).rawValue }
}

/// For how many tokens a price is.
enum Multiple: String, ExpressibleByArgument, CaseIterable {
    case one = "1"
    case thousand = "1k"
    case million = "1m"

    var number: Int {
        switch self {
        case .one: 1
        case .thousand: 1000
        case .million: 1_000_000
        }
    }
}

extension PricesCommand {
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets what a model costs; other prices stay as they are.",
            discussion: """
                volery prices set --model gpt-4o-mini --input 0.15 --output 0.60 --per 1m --currency USD
                volery prices set --model "llama-*" --gpu-second 0.0004 --currency USD --cost

                Without --cached-input and --reasoning those tokens cost what input and output do.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var book: BookOption
        @Option(help: "The model's name, the beginning of names and a `*`, or `*`.") var model: String
        @Option(help: "The price of the prompt's tokens.") var input: String?
        @Option(help: "The price of those of them that the model had in its cache.") var cachedInput: String?
        @Option(help: "The price of the answer's tokens.") var output: String?
        @Option(help: "The price of tokens that the model thought and did not say.") var reasoning: String?
        @Option(help: "The price of spoken text's characters.") var characters: String?
        @Option(help: "The price of an image.") var image: String?
        @Option(help: "For images of this size alone, as 1024x1024.") var size: String?
        @Option(help: "For images made with at most so many steps.") var steps: Int?
        @Option(help: "The price of a second of audio.") var audioSecond: String?
        @Option(help: "The price of a second of a GPU.") var gpuSecond: String?
        @Option(help: "The price of a request, whatever it consumes.") var request: String?
        @Option(help: "For how many tokens or characters the prices are: 1, 1k or 1m.") var per: Multiple = .million
        @Option(help: "IRR, USD or EUR.") var currency: String
        @Option(help: "For requests whose prompt has more tokens than this.") var above: Int?
        @Option(help: "When this provider serves it; a provider's name.") var provider: String?
        @Option(help: "For this operation alone: chat, completions, embeddings, messages, responses.")
        var operation: String?
        @Option(
            help: ArgumentHelp("From when on; at once otherwise. \(Expiry.allowed).", valueName: "when"),
            transform: Expiry.init(argument:))
        var effective: Expiry?

        func price(now: Instant) -> NewPrice {
            func amount(_ text: String?) -> DecimalInput? { text.map { DecimalInput($0) } }
            var price = NewPrice(model: model, currency: currency)
            price.kind = book.kind
            price.provider = provider
            price.operation = operation
            price.per = per.number
            price.above = above
            price.input = amount(input)
            price.cachedInput = amount(cachedInput)
            price.output = amount(output)
            price.reasoning = amount(reasoning)
            price.characters = amount(characters)
            price.image = amount(image)
            price.size = size
            price.steps = steps
            price.audioSecond = amount(audioSecond)
            price.gpuSecond = amount(gpuSecond)
            price.request = amount(request)
            price.effective = effective?.instant(now: now)
            return price
        }

        func run() async throws {
            let context = CommandContext(options)
            let price = price(now: context.clock.now)
            let (made, known) = try await context.control(begins: true) { control in
                let known = try await KnownModels(control)
                return (try await control.setPrice(price), known)
            }
            try context.terminal.version(made, asJSON: listing.json)
            if let own = known.ownName(of: model) {
                context.terminal.talk("`\(model)` is another name of `\(own)`; its prices are set.\n")
            }
            context.terminal.talk(known.unknown([model]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists a book's versions, newest first.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var book: BookOption

        func run() async throws {
            let context = CommandContext(options)
            let versions = try await context.control { [book] control in
                try await everyItem(limit: 10_000) { try await control.priceVersions(of: book.kind, $0) }
            }
            try context.terminal.list(
                versions, asJSON: listing.json, none: "No prices yet. `volery prices set` makes the first version."
            ) { rows in
                Table(
                    [.init("VERSION", .right), .init("EFFECTIVE"), .init("PRICES", .right)],
                    rows: rows.map { ["\($0.version)", $0.effective.short, "\($0.entries)"] })
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what a book says: the one in force, or another.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var book: BookOption
        @Option(help: "The version's number.") var version: Int?

        func run() async throws {
            let context = CommandContext(options)
            let shown = try await context.control { [book, version] in
                try await $0.priceBook(of: book.kind, version: version)
            }
            let terminal = context.terminal
            if listing.json { return try terminal.write(json: shown) }
            terminal.talk("version \(shown.version), in force from \(shown.effective.short)\n")
            guard !shown.prices.isEmpty else { return }
            try terminal.write(Self.table(shown).text(usesColor: terminal.usesColor))
        }

        private static func table(_ book: PriceBookView) -> Table {
            Table(
                [
                    .init("MODEL"), .init("METER"), .init("PRICE", .right), .init("CURRENCY"), .init("PER", .right),
                    .init("ONLY FOR"),
                ],
                rows: book.prices.map { row in
                    let narrowed = [
                        row.provider.map { "provider \($0)" }, row.operation, row.size,
                        row.steps.map { "up to \($0) steps" }, row.above.map { "prompts above \($0)" },
                    ]
                    return [
                        row.model, row.meter, row.price.amount.text, row.price.currency, "\(row.price.per)",
                        narrowed.compactMap(\.self).joined(separator: ", "),
                    ]
                })
        }
    }

    struct Quote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what a request would cost, before it runs. Nothing is set aside.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Option(help: "The model's name.") var model: String
        @Option(help: "Tokens of the prompt.") var inputTokens: Int
        @Option(help: "Tokens of the answer.") var outputTokens: Int
        @Option(help: "Of the prompt, those beside --input-tokens that the model has in its cache.")
        var cachedInputTokens: Int?
        @Option(help: "Tokens beside --output-tokens that the model thinks and does not say.")
        var reasoningTokens: Int?
        @Option(help: "chat, completions or embeddings; chat otherwise.") var operation: String?

        func run() async throws {
            let context = CommandContext(options)
            var request = NewQuote(model: model, inputTokens: inputTokens, outputTokens: outputTokens)
            request.cachedInputTokens = cachedInputTokens
            request.reasoningTokens = reasoningTokens
            request.operation = operation
            let quote = try await context.control { [request] in try await $0.quote(request) }
            if listing.json { return try context.terminal.write(json: quote) }
            try context.terminal.write(
                Facts.text([
                    ("price", "\(quote.price)"), ("at most", "\(quote.bound)"), ("umu", quote.umu),
                    ("version", "\(quote.priceVersion)"),
                ]))
        }
    }
}

extension Terminal {
    func version(_ version: PriceVersionView, asJSON: Bool) throws {
        var words = "Version \(version.version) of the \(version.kind.rawValue) book holds \(version.entries) prices, "
        words += "in force from \(version.effective.short)."
        if let next = version.nextVersion, let time = version.nextEffective {
            words += " Version \(next) takes its place at \(time.short), and does not know of this."
        }
        try made(version.version, version, asJSON: asJSON, words)
    }
}
