import App
import ArgumentParser
import Flows
import Kernel

extension KeysCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a key. It is shown this once.",
            discussion: """
                The key alone goes to standard output, so that KEY=$(volery keys create --name ci) works.

                A scope is a permission such as inference:execute or usage:read, `endpoint=` and one of chat, \
                completions, embeddings, models, or `model=` and a name or the beginning of names and `*`. Without \
                one the key calls and lists models.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var place: WorkspaceOption

        @Option(help: "What the key is for, in words.") var name: String
        @Option(
            name: .customLong("scope"),
            help: ArgumentHelp("What the key may be used for; may be repeated.", valueName: "scope"))
        var scopes: [String] = []
        @Option(
            help: ArgumentHelp("When it ends: \(Expiry.allowed). Never otherwise.", valueName: "when"),
            transform: Expiry.init(argument:))
        var expires: Expiry?
        @Option(
            help: ArgumentHelp("How long it works: \(Span.allowed).", valueName: "span"),
            transform: Span.init(argument:))
        var expiresIn: Span?
        @Option(help: "development, staging or production; production otherwise.") var environment: String?
        @Option(
            name: .customLong("address"),
            help: ArgumentHelp(
                "From where it may be used, such as 10.0.0.0/8; may be repeated. Everywhere otherwise.",
                valueName: "block"))
        var addresses: [String] = []
        @Option(help: "Whose key it is: a member by identifier or name. The workspace's own otherwise.")
        var user: String?
        @Option(
            help: "A word of your own: the same command again then makes no second key, and says which one it made.")
        var idempotencyKey: String?

        func validate() throws {
            if expires != nil, expiresIn != nil { throw ValidationError("Give --expires or --expires-in, not both.") }
        }

        func run() async throws {
            let context = CommandContext(options)
            let created = try await context.access { [self] access, _ in
                try await access.createKey(idempotencyKey: idempotencyKey) { control in
                    request(try await control.workspaceID(place)?.description)
                }
            }
            try show(created, context.terminal, asJSON: listing.json)
        }

        private func request(_ workspace: String?) -> NewKey {
            var (end, seconds) = (Instant?.none, expiresIn?.seconds)
            switch expires {
            case .at(let instant): end = instant
            // Not as a time: the same command under one idempotency key is the same request.
            case .after(let duration): seconds = Int(duration.components.seconds)
            case nil: break
            }
            return NewKey(
                name: name, workspace: workspace, user: user, expires: end, expiresIn: seconds,
                scopes: scopes.isEmpty ? nil : scopes, environment: environment,
                addresses: addresses.isEmpty ? nil : addresses)
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a key in the place of another, with all its limits.",
            discussion: "The new key alone goes to standard output. The old one goes on for the overlap.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @Argument(help: "The old key's identifier, key_….", transform: identifier) var id: KeyID
        @Option(
            help: ArgumentHelp("How long the old one goes on, 0s to 30d; 1d otherwise.", valueName: "span"),
            transform: Span.init(argument:))
        var overlap: Span?

        func run() async throws {
            let context = CommandContext(options)
            let request = KeyRotation(overlapSeconds: overlap?.seconds)
            let created = try await context.control { [id] in try await $0.rotateKey(id, request) }
            try show(created, context.terminal, asJSON: listing.json)
        }
    }
}

private func show(_ created: CreatedKey, _ terminal: Terminal, asJSON: Bool) throws {
    if asJSON { return try terminal.write(json: created) }
    try terminal.write(created.token.reveal() + "\n")
    let end = created.view.expires.map { " It works until \($0.short)." } ?? ""
    terminal.talk("\(created.view.id). Keep the key now: it cannot be shown again.\(end)\n")
}
