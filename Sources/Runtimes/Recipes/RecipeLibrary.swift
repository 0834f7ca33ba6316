import BundledRecipes
package import Fleet
import FoundationEssentials
package import Kernel
package import SystemPackage
import Yams

/// Every recipe that this platform knows: those in the binary, and the user's own, which replace them by name.
package struct RecipeLibrary: Sendable {
    /// By name, sorted.
    package let recipes: [Recipe]

    private static let sizeLimit: Int64 = 1 << 20

    /// - Parameter dataFolder: its `recipes/*.yaml` are read; nil reads only what is in the binary.
    /// - Throws: `CONFIGURATION_INVALID`, which names the file, the line, the key, the value and what is allowed.
    package init(dataFolder: FilePath?) throws {
        var found: [String: (recipe: Recipe, file: String)] = [:]
        for bundled in BundledRecipes.all() {
            let recipe = try RecipeLibrary.parse(bundled.bytes, file: bundled.name)
            found[recipe.name] = (recipe, bundled.name)
        }
        var users: [String: String] = [:]
        if let folder = dataFolder?.appending("recipes") {
            for name in try DataFiles.names(in: folder) where name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
                let path = folder.appending(name)
                let recipe = try RecipeLibrary.parse(try RecipeLibrary.read(path), file: path.string)
                if let other = users[recipe.name] {
                    throw Problem(
                        .configurationInvalid, "\(path) and \(other) both describe the recipe \(recipe.name).",
                        parameter: "name", hint: "Give one of them another name.")
                }
                users[recipe.name] = path.string
                found[recipe.name] = (recipe, path.string)
            }
        }
        recipes = found.values.map(\.recipe).sorted { $0.name < $1.name }
        try RecipeLibrary.requireDistinctModels(found.values.sorted { $0.recipe.name < $1.recipe.name })
    }

    package func recipe(named name: String) -> Recipe? { recipes.first { $0.name == name } }

    /// The recipe by its own name, its model's, or one of the aliases.
    /// - Throws: `MODEL_NOT_FOUND`, listing what there is.
    package func find(_ name: String) throws(Problem) -> Recipe {
        if let recipe = recipe(named: name) { return recipe }
        if let recipe = recipes.first(where: { $0.card.name == name || $0.card.aliases.contains(name) }) {
            return recipe
        }
        throw Problem(
            .modelNotFound, "No recipe describes a model `\(name)`.", parameter: "model",
            hint: "There are: \(recipes.map(\.name).joined(separator: ", ")).")
    }

    /// - Throws: `CONFIGURATION_INVALID`.
    package static func parse(_ bytes: [UInt8], file: String) throws -> Recipe {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(.configurationInvalid, "\(file) is not UTF-8 text.")
        }
        do {
            guard let node = try Yams.compose(yaml: text) else {
                throw Problem(.configurationInvalid, "\(file) is empty.")
            }
            return try Recipe(node.recipeNode(file: file, depth: 0), file: file)
        } catch let error as YamlError {
            throw Problem(.configurationInvalid, "\(file) is not YAML: \(error)", hint: "Correct the file.")
        }
    }

    private static func read(_ path: FilePath) throws -> [UInt8] {
        guard let size = DataFiles.size(path), size <= sizeLimit else {
            throw Problem(.configurationInvalid, "\(path) is not a file of at most \(sizeLimit) bytes.")
        }
        do {
            let descriptor = try Descriptor.open(path, .readOnly)
            return try descriptor.closeAfter {
                try [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
                    count = try descriptor.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
            }
        } catch let error as Errno {
            throw DataFiles.problem("\(path) cannot be read", error)
        }
    }

    /// A name that callers use leads to one model.
    private static func requireDistinctModels(_ found: [(recipe: Recipe, file: String)]) throws(Problem) {
        var owners: [String: String] = [:]
        for (recipe, file) in found {
            for name in Set([recipe.card.name] + recipe.card.aliases) {
                if let other = owners.updateValue(file, forKey: name) {
                    throw Problem(
                        .configurationInvalid, "\(file) and \(other) both serve the model name `\(name)`.",
                        parameter: "model.aliases", hint: "Take the name out of one of them.")
                }
            }
        }
    }
}

extension Yams.Node {
    private static let deepest = 16

    fileprivate func recipeNode(file: String, depth: Int) throws -> RecipeNode {
        let line = mark?.line ?? 1
        guard depth < Node.deepest else {
            throw Problem(.configurationInvalid, "\(file) line \(line): too many levels.")
        }
        switch self {
        case .scalar(let scalar):
            let isNull = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
            return RecipeNode(isNull ? .empty : .scalar(scalar.string), line: line)
        case .sequence(let sequence):
            return RecipeNode(.list(try sequence.map { try $0.recipeNode(file: file, depth: depth + 1) }), line: line)
        case .mapping(let mapping):
            let entries = try mapping.map { key, value in
                guard let name = key.scalar?.string else {
                    throw Problem(.configurationInvalid, "\(file) line \(key.mark?.line ?? line): a key must be text.")
                }
                return RecipeNode.Entry(key: name, node: try value.recipeNode(file: file, depth: depth + 1))
            }
            return RecipeNode(.map(entries), line: line)
        case .alias:
            throw Problem(.configurationInvalid, "\(file) line \(line): YAML aliases are not used in recipes.")
        }
    }
}
