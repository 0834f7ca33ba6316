import AsyncHTTPClient
package import Fleet
package import Flows
import Inference
package import Kernel
package import Logging
import Runtimes

/// The models' files as the command line handles them. Only the holder of the data folder's lock changes any.
package struct ModelStock: Sendable {
    /// What a pull is doing, for a progress bar.
    package enum Step: Sendable {
        case fetching(FetchProgress)
        /// Making what the model's process needs besides its files; a line for people.
        case preparing(String)
    }

    private let parts: MachineParts

    package init(parts: MachineParts) { self.parts = parts }

    /// Runs `body` with a stock whose downloads have a client of their own.
    /// - Throws: `CONFIGURATION_INVALID` for a recipe in the data folder that is not right; whatever `body` throws.
    package static func open<Answer: Sendable>(
        dataDir: String, environment: [String: String], clock: any Clock, logger: Logger,
        _ body: @Sendable (ModelStock) async throws -> Answer
    ) async throws -> Answer {
        try await HTTPClient.withHTTPClient(configuration: Downloader.Limits().clientConfiguration) { client in
            let parts = try MachineParts(
                dataDir: dataDir, environment: environment, client: client, clock: clock, logger: logger)
            return try await body(ModelStock(parts: parts))
        }
    }

    package var defaults: [Recipe] { parts.defaults }

    /// The recipe by its own name, its model's, or one of the aliases.
    /// - Throws: `MODEL_NOT_FOUND`, with the name that may have been meant.
    package func find(_ name: String) throws(Problem) -> Recipe {
        do { return try parts.library.find(name) } catch {
            let known = parts.library.recipes.flatMap { [$0.name, $0.card.name] + $0.card.aliases }
            throw Problem(
                error.code, error.message, parameter: error.parameter,
                hint: Suggestion.closest(to: name, among: known).map { "Did you mean `\($0)`?" } ?? error.hint)
        }
    }

    package func isPresent(_ recipe: Recipe) -> Bool { parts.store.isPresent(recipe) }

    /// Brings the model's files and what its process needs onto this machine; touches no network when all is there.
    /// - Throws: as `ModelFetcher.fetch` and `RuntimePreparer.prepare`.
    package func pull(_ recipe: Recipe, onStep: @escaping @Sendable (Step) -> Void) async throws {
        _ = try await parts.fetcher.fetch(recipe) { onStep(.fetching($0)) }
        _ = try await parts.preparer.prepare(recipe) { onStep(.preparing($0)) }
    }

    /// Removes the model's files, half-fetched ones too.
    /// - Returns: the bytes that this freed.
    /// - Throws: `NOT_FOUND` when there are none.
    package func remove(_ recipe: Recipe) throws -> Int64 {
        let bytes = try parts.store.list().first { $0.name == recipe.name }?.bytes ?? 0
        try parts.store.remove(recipe.name)
        return bytes
    }

    /// The platform's models; for those that nobody runs, whether their files are here.
    package func listing(_ known: [ModelView]) -> [ModelView] {
        known.map { view in
            guard view.state == ServiceState.Phase.stopped.rawValue,
                let recipe = parts.library.recipes.first(where: { $0.card.name == view.model })
            else { return view }
            return ModelView(
                model: view.model, aliases: view.aliases, state: view.state,
                detail: isPresent(recipe) ? "files are here" : "not here, \(ByteCount.text(recipe.bytes)) to fetch",
                origin: view.origin, capabilities: view.capabilities, contextLimit: view.contextLimit)
        }
    }

    package func facts(for recipes: [Recipe]) -> [MachineFacts.ModelFiles] {
        recipes.map { .init(name: $0.name, bytes: $0.bytes, areHere: isPresent($0)) }
    }
}
