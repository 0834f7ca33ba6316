package import AsyncHTTPClient
package import Fleet
package import Kernel
package import Logging
import NIOCore
package import Runtimes
import SystemPackage

/// What runs and fetches models on this machine. The platform uses all of it, `volery models pull` the fetching.
package struct MachineParts: Sendable {
    package let library: RecipeLibrary
    package let store: ModelStore
    package let fetcher: any ModelFetcher
    package let preparer: any RuntimePreparer
    private let driver: any RuntimeDriver
    private let client: HTTPClient
    private let folder: FilePath

    /// - Parameters:
    ///   - environment: of the process; `PIP_INDEX_URL` and `HF_ENDPOINT` name other sources than the usual ones.
    ///   - client: is not shut down here.
    /// - Throws: `CONFIGURATION_INVALID` for a recipe in the data folder that is not right.
    package init(
        dataDir: String, environment: [String: String], client: HTTPClient, clock: any Clock, logger: Logger
    ) throws {
        folder = FilePath(dataDir)
        library = try RecipeLibrary(dataFolder: folder)
        store = ModelStore(dataFolder: folder)
        driver = ProcessDriver(clock: clock, logger: logger)
        fetcher = RecipeFetcher(
            store: store, downloader: Downloader(client: client, clock: clock, logger: logger),
            index: PackageIndex(client: client, root: environment["PIP_INDEX_URL"] ?? PackageIndex.usual),
            hub: environment["HF_ENDPOINT"] ?? RecipeFetcher.usualHub,
            wheels: WheelReader(driver: driver, clock: clock), logger: logger)
        preparer = PythonEnvironment(
            dataFolder: folder, environment: environment, driver: driver, clock: clock, logger: logger)
        self.client = client
    }

    /// The recipes whose models answer to `default` and `embed`: what a fresh installation fetches.
    package var defaults: [Recipe] {
        library.recipes.filter { $0.card.aliases.contains("default") || $0.card.aliases.contains("embed") }
    }

    /// - Parameters:
    ///   - threads: how many a model may use.
    ///   - onChange: see `ModelSupervisor`.
    package func supervisor(
        clock: any Clock, random: any RandomSource, threads: Int, logger: Logger,
        onChange: @escaping @Sendable (ModelServiceStatus) -> Void
    ) throws -> FleetSupervisor {
        let tools = ModelSupervisor.Tools(
            driver: driver, fetcher: fetcher, preparer: preparer, probe: HTTPProbe(client: client), clock: clock,
            random: random, workers: try WorkerFolder.write(dataFolder: folder), threads: threads, logger: logger)
        return FleetSupervisor(recipes: library.recipes, tools: tools, onChange: onChange)
    }
}
