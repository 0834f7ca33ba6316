import Fleet
import Foundation
import Kernel
import Runtimes
import SystemPackage
import TestKit
import Testing

@Suite struct RecipeLibraryTests {
    private func folder(_ files: [String: String]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.path("recipes"), withIntermediateDirectories: true)
        for (name, text) in files {
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path("recipes/" + name)))
        }
        return folder
    }

    private static let tiny = """
        name: tiny
        description: A model for tests
        model:
          kind: chat
          name: tiny
          licence: MIT
          context: 64
        process:
          command: [serve, "--port={port}"]
        probe:
          path: /health
        resources:
          memory_mib: 10
        """

    @Test("the recipes in the binary are good, and answer to the default names")
    func bundled() throws {
        let library = try RecipeLibrary(dataFolder: nil)
        #expect(try library.find("default").card.kind == .chat)
        #expect(try library.find("embed").card.kind == .embeddings)
        for recipe in library.recipes {
            #expect(!recipe.files.isEmpty)
            #expect(!recipe.sources.isEmpty)
            #expect(!recipe.card.capabilities.isEmpty)
            for requirement in recipe.python?.requirements ?? [] {
                #expect(requirement.contains("--hash=sha256:"), "\(requirement) is pinned by its content")
            }
        }
    }

    @Test("a recipe of the user stands beside those of the binary, and replaces one of the same name")
    func userRecipes() throws {
        let bundled = try RecipeLibrary(dataFolder: nil)
        let beside = try folder(["tiny.yaml": Self.tiny, "notes.txt": "not a recipe"])
        #expect(try RecipeLibrary(dataFolder: FilePath(beside.path)).recipes.count == bundled.recipes.count + 1)
        let replacing = try folder(["mine.yaml": Self.tiny.replacing("name: tiny", with: "name: smollm2")])
        let library = try RecipeLibrary(dataFolder: FilePath(replacing.path))
        #expect(library.recipes.count == bundled.recipes.count)
        #expect(try #require(library.recipe(named: "smollm2")).summary == "A model for tests")
    }

    @Test("a mistake is refused with file and line")
    func mistakes() throws {
        let cases: [(String, [String])] = [
            (
                Self.tiny.replacing("context: 64", with: "context: many"),
                ["x.yaml", "line 7", "model.context", "\"many\""]
            ),
            (Self.tiny.replacing("{port}", with: "{prot}"), ["x.yaml", "line 9", "{prot}"]),
            ("name: [", ["x.yaml", "not YAML"]),
            ("", ["x.yaml", "empty"]),
            ("- 1", ["x.yaml", "a map"]),
            ("a: &x [*x]", ["x.yaml"]),
        ]
        for (text, words) in cases {
            let folder = try folder(["x.yaml": text])
            let problem = try #require(throws: Problem.self) { try RecipeLibrary(dataFolder: FilePath(folder.path)) }
            #expect(problem.code == .configurationInvalid)
            for word in words { #expect(problem.message.contains(word), "\(problem.message) says \(word)") }
        }
    }

    @Test("two recipes that serve one name are refused")
    func sameModelName() throws {
        let other = Self.tiny.replacing("name: tiny\ndescription", with: "name: other\ndescription")
        let folder = try folder(["a.yaml": Self.tiny, "b.yaml": other])
        let problem = try #require(throws: Problem.self) { try RecipeLibrary(dataFolder: FilePath(folder.path)) }
        #expect(problem.message.contains("`tiny`"))
    }

    @Test("an unknown model is answered with what there is")
    func unknown() throws {
        let library = try RecipeLibrary(dataFolder: nil)
        let problem = try #require(throws: Problem.self) { try library.find("gpt-7") }
        #expect(problem.code == .modelNotFound)
        #expect(problem.hint.contains("smollm2"))
    }
}
