import Foundation

/// The checkout that this test was compiled from.
struct Repository: Sendable {
    let root: URL

    init(testFile: String = #filePath) {
        root = URL(fileURLWithPath: testFile).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    }

    func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The paths of all files below `folder` with this ending, sorted, relative to the root.
    func paths(below folder: String, ending: String) throws -> [String] {
        let start = root.appendingPathComponent(folder)
        guard FileManager.default.fileExists(atPath: start.path) else { return [] }
        return try FileManager.default.subpathsOfDirectory(atPath: start.path)
            .filter { $0.hasSuffix(ending) && !$0.contains("__pycache__") }
            .map { folder + "/" + $0 }.sorted()
    }

    func swiftSources() throws -> [SwiftSource] {
        try ["Sources", "Tests", "runtimes", "workers", "openapi"]
            .flatMap { try paths(below: $0, ending: ".swift") }
            .map { SwiftSource(path: $0, text: try text($0)) }
    }
}
