import App
import ArgumentParser
import Billing
import Flows
import Foundation
import Kernel

extension PricesCommand {
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a version of everything in a file, and of nothing else.",
            discussion: """
                volery prices import prices.yaml
                volery prices import january.yaml --effective 2027-01-01
                volery prices import costs.yaml --cost --dry-run

                docs/billing.md describes the file. One with a fault changes nothing, and every fault is told with its \
                line. A file that says what is in force already makes no new version.
                """)

        @OptionGroup var options: GlobalOptions
        @OptionGroup var listing: ListingOptions
        @OptionGroup var book: BookOption
        @Argument(
            help: ArgumentHelp("The file; - for standard input.", valueName: "file"),
            completion: .file(extensions: ["yaml", "yml", "json"]))
        var file: String
        @Option(
            help: ArgumentHelp("From when on; at once otherwise. \(Expiry.allowed).", valueName: "when"),
            transform: Expiry.init(argument:))
        var effective: Expiry?
        @Option(help: "Only if this is the last version still; what was exported and edited stands on it.")
        var after: Int?
        @Flag(help: "Only check the file. Needs no platform.") var dryRun = false

        private struct Checked: Encodable {
            let ok: Bool
            let entries: Int
        }

        private func content() throws -> PriceBook.Content {
            guard file == "-" else { return try PriceFile.read(at: file) }
            let data = try FileHandle.standardInput.read(upToCount: PriceFile.mostBytes + 1) ?? Data()
            return try PriceFile.read(data, of: "standard input")
        }

        func run() async throws {
            let context = CommandContext(options)
            let content = try content()
            let terminal = context.terminal
            if dryRun {
                let count = content.entries.count
                if listing.json { return try terminal.write(json: Checked(ok: true, entries: count)) }
                return terminal.talk("The file is good: \(count) prices. Nothing was changed.\n")
            }
            var request = NewPriceBook(
                kind: book.kind, effective: effective?.instant(now: context.clock.now), content: content)
            request.after = after
            let (made, known) = try await context.control(begins: true) { [request] control in
                let known = try await KnownModels(control)
                return (try await control.importPrices(request), known)
            }
            try terminal.version(made, asJSON: listing.json)
            let names = Swift.Set(content.entries.map(\.model) + content.conversions.map(\.model)).sorted()
            for name in names {
                guard let own = known.ownName(of: name) else { continue }
                terminal.talk("`\(name)` is another name of `\(own)`; its prices are set.\n")
            }
            terminal.talk(known.unknown(names))
        }
    }
}

extension PricesCommand {
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes a version as a file that `import` reads: the one in force, or another.",
            discussion: "volery prices export > prices.yaml")

        @OptionGroup var options: GlobalOptions
        @OptionGroup var book: BookOption
        @Option(help: "The version's number.") var version: Int?

        func run() async throws {
            let context = CommandContext(options)
            let found = try await context.control { [book, version] in
                try await $0.priceBook(of: book.kind, version: version)
            }
            try context.terminal.write(PriceFile.text(of: found))
        }
    }
}
