import App
import ArgumentParser
import Fleet
import Flows
import Inference
import Kernel

struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "Lists, fetches and removes models.",
        subcommands: [List.self, Pull.self, Remove.self])
}

extension ModelsCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the models that callers may name, and those that could be fetched.")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions

        func run() async throws {
            let context = CommandContext(options)
            let known = try await context.control { try await $0.models() }
            let models = try await context.models { $0.listing(known) }
            try context.terminal.list(models, asJSON: listing.json, none: "No models.") { rows in
                Table(
                    [
                        .init("MODEL"), .init("ALIASES"), .init("STATE"), .init("ORIGIN"), .init("CONTEXT", .right),
                        .init("CAN"), .init("DETAIL"),
                    ],
                    rows: rows.map { row in
                        [
                            row.model, row.aliases.joined(separator: ", "), row.state, row.origin.rawValue,
                            row.contextLimit.map(String.init) ?? "",
                            row.capabilities.map(\.rawValue).joined(separator: ", "), row.detail ?? "",
                        ]
                    })
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes a model's files from this machine. The platform must not run.")

        @OptionGroup var options: GlobalOptions

        @Argument(help: "The recipe's or the model's name.") var name: String

        func run() async throws {
            let context = CommandContext(options)
            let (model, freed) = try await context.models { [name] stock in
                let recipe = try stock.find(name)
                let lock = try context.lockFolder(
                    hint: "Stop `volery serve` first: the model's process may be using the files.")
                defer { lock.release() }
                return (recipe.name, try stock.remove(recipe))
            }
            context.terminal.talk("\(model) is removed; \(ByteCount.text(freed)) are free again.\n")
        }
    }
}

extension CommandContext {
    /// - Throws: `DATA_FOLDER_IN_USE` with this hint when another process holds the data folder; `NOT_FOUND` when
    ///   there is none.
    func lockFolder(hint: String) throws -> FolderLock {
        let folder = DataFolder(try configuration().dataDir)
        guard folder.exists else { throw folder.missing }
        guard let lock = try FolderLock.take(in: folder) else { throw Problem(.dataFolderInUse, hint: hint) }
        return lock
    }

    /// Nil when another process holds the data folder, which is made when it is missing.
    func freeFolderLock() throws -> FolderLock? {
        let folder = DataFolder(try configuration().dataDir)
        try folder.create()
        return try FolderLock.take(in: folder)
    }
}
