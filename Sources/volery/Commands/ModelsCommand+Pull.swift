import App
import ArgumentParser
import Fleet
import Flows
import Kernel

extension ModelsCommand {
    struct Pull: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetches models: files, verified, and what their processes need.",
            discussion: """
                Continues where a broken download stopped, and needs no network when all is there. While the platform \
                runs it fetches its models itself, and this shows how far it is.
                """)

        @OptionGroup var options: GlobalOptions

        @Flag(help: "The models that answer to `default` and `embed`.") var defaults = false
        @Argument(help: "Names of recipes or models.") var names: [String] = []

        func validate() throws {
            guard defaults || !names.isEmpty else {
                throw ValidationError("Name a model, or pass --defaults.")
            }
        }

        func run() async throws {
            let context = CommandContext(options)
            let reporter = ProgressReporter(terminal: context.terminal, clock: context.clock)
            do {
                try await context.models { stock in
                    let recipes = try wanted(from: stock)
                    guard let lock = try context.freeFolderLock() else {
                        return try await PlatformPull(context: context, reporter: reporter).follow(recipes)
                    }
                    defer { lock.release() }
                    for recipe in recipes { try await pull(recipe, from: stock, reporter) }
                }
            } catch {
                reporter.abandon()
                throw error
            }
        }

        private func wanted(from stock: ModelStock) throws -> [Recipe] {
            var recipes = defaults ? stock.defaults : []
            for name in names {
                let recipe = try stock.find(name)
                if !recipes.contains(where: { $0.name == recipe.name }) { recipes.append(recipe) }
            }
            return recipes
        }

        private func pull(_ recipe: Recipe, from stock: ModelStock, _ reporter: ProgressReporter) async throws {
            let wasHere = stock.isPresent(recipe)
            if !wasHere {
                let size = ByteCount.text(recipe.bytes)
                reporter.finish("\(recipe.name): \(recipe.summary) (\(size), \(recipe.card.licence))")
            }
            try await stock.pull(recipe) { reporter.show(recipe.name, $0) }
            reporter.finish("\(recipe.name): \(wasHere ? "is here" : "fetched and verified")")
        }
    }
}

/// Watches how the running platform fetches its models.
struct PlatformPull: Sendable {
    private static let pause = Duration.milliseconds(500)

    let context: CommandContext
    let reporter: ProgressReporter

    func follow(_ recipes: [Recipe]) async throws {
        try await context.control { control in
            for recipe in recipes {
                while try await isUnderWay(recipe, control) { try await context.clock.sleep(for: Self.pause) }
                reporter.finish("\(recipe.name): is here")
            }
        }
    }

    private func isUnderWay(_ recipe: Recipe, _ control: any Control) async throws -> Bool {
        guard let service = try await control.runtimes().first(where: { $0.name == recipe.name }) else {
            throw Problem(.modelNotFound, "The running platform has no recipe \(recipe.name).")
        }
        switch service.state {
        case .starting, .ready: return false
        case .fetching:
            if let progress = service.progress { reporter.show(recipe.name, .fetching(progress)) }
            return true
        case .preparing, .backingOff, .crashLooping:
            reporter.show(recipe.name, .preparing(service.detail))
            return true
        case .failed: throw Problem(.downloadFailed, "\(recipe.name): \(service.detail)")
        case .stopped, .stopping:
            throw Problem(
                .dataFolderInUse, "The platform that runs here does not run \(recipe.name).",
                hint: "Stop it, pull the model, and start it again.")
        }
    }
}
