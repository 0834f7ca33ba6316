package import Fleet
import Kernel
package import SystemPackage

/// The models' files on this machine: `models/<recipe>/<file>`. A file under its own name is whole and was verified.
package struct ModelStore: Sendable {
    private let root: FilePath

    /// - Parameter dataFolder: absolute.
    package init(dataFolder: FilePath) { root = dataFolder.appending("models") }

    package struct Stored: Sendable, Equatable, Codable {
        /// The recipe's name.
        package let name: String
        package let bytes: Int64

        package init(name: String, bytes: Int64) {
            self.name = name
            self.bytes = bytes
        }
    }

    package enum Verdict: String, Sendable, Codable { case good, missing, damaged }

    package func folder(of name: String) -> FilePath { root.appending(name) }

    package func path(of file: ModelFile, in recipe: Recipe) -> FilePath {
        folder(of: recipe.name).pushing(FilePath(file.name))
    }

    /// Whether every file is there with its size. Contents were verified before the files got their names.
    package func isPresent(_ recipe: Recipe) -> Bool {
        recipe.files.allSatisfy { DataFiles.size(path(of: $0, in: recipe)) == $0.bytes }
    }

    /// What is on the disk, half-fetched models included, by name.
    package func list() throws -> [Stored] {
        var stored: [Stored] = []
        for name in try DataFiles.names(in: root) where DataFiles.isFolder(root.appending(name)) {
            stored.append(Stored(name: name, bytes: try DataFiles.diskUse(root.appending(name))))
        }
        return stored
    }

    /// Reads every file of the recipe and compares it with what the recipe promises. Takes seconds for large models.
    package func verify(_ recipe: Recipe) throws -> [(file: String, verdict: Verdict)] {
        var verdicts: [(file: String, verdict: Verdict)] = []
        for file in recipe.files {
            let path = path(of: file, in: recipe)
            guard let size = DataFiles.size(path) else {
                verdicts.append((file.name, .missing))
                continue
            }
            let isGood = try size == file.bytes && Checksum.of(path).hexadecimal() == file.sha256
            verdicts.append((file.name, isGood ? .good : .damaged))
        }
        return verdicts
    }

    /// Removes the files of one model, which must not be running. Removing what is not there is `NOT_FOUND`.
    package func remove(_ name: String) throws {
        guard FilePath.Component(name)?.kind == .regular, DataFiles.isFolder(folder(of: name)) else {
            throw Problem(
                .notFound, "No files of a model `\(name)` are here.", parameter: "name",
                hint: "`volery models list` shows what is.")
        }
        try DataFiles.remove(folder(of: name))
    }
}
