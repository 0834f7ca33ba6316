import Foundation
import Testing

@Suite("the whole tree")
struct RepositoryTests {
    private let repository = Repository()

    @Test("keeps the walls, the bans and the limits of length")
    func sourcesAreTidy() throws {
        let sources = try repository.swiftSources()
        #expect(sources.count > 50, "the walk found too few files to mean anything")
        let rules = try Rules()
        let verdict = judge(try sources.flatMap { try rules.violations(in: $0) }, exceptions: exceptions)
        #expect(report(verdict) == nil)
    }

    @Test("has a manifest that agrees with the walls")
    func manifestAgrees() throws {
        let manifest = try Manifest(try repository.text("Package.swift"))
        #expect(manifest.targets.count == rooms.count)
        let verdict = manifest.violations(against: rooms)
        #expect(report(verdict) == nil)
    }

    @Test("has a page for every error code, and names no other code in the API description")
    func errorCodesHavePages() throws {
        let catalog = try ErrorCatalog(repository.text("Errors/catalog.json"))
        #expect(catalog.codes.count > 20)
        for code in catalog.codes {
            let page = try repository.text("docs/errors/\(code).md")
            #expect(page.hasPrefix("# \(code)\n"))
        }
        let pages = try repository.paths(below: "docs/errors", ending: ".md").count
        #expect(pages == catalog.codes.count + 1, "one page for each code, and the index")
        let described = try ErrorCatalog.codesDescribed(in: repository.text("openapi/volery.yaml"))
        #expect(described == catalog.codes.sorted(), "the enum of error codes in openapi/volery.yaml")
    }

    @Test("has decision records that are numbered without a gap")
    func decisionsAreNumbered() throws {
        let records = try repository.paths(below: "docs/adr", ending: ".md")
            .map { $0.replacingOccurrences(of: "docs/adr/", with: "") }.filter { $0 != "README.md" }
        #expect(!records.isEmpty)
        for (index, record) in records.enumerated() {
            let number = String(index + 1)
            let prefix = String(repeating: "0", count: 4 - number.count) + number + "-"
            #expect(record.hasPrefix(prefix), "\(record) should begin with \(prefix)")
        }
    }

    @Test("links only to files that exist, in every page of the documentation")
    func linksLead() throws {
        let link = try Pattern(#"\]\(([^)#\s]+)(?:#[^)]*)?\)"#)
        let pages =
            try repository.paths(below: "docs", ending: ".md")
            + ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
        var broken: [String] = []
        for page in pages {
            let folder = repository.root.appendingPathComponent(page).deletingLastPathComponent()
            let targets = link.captures(in: try repository.text(page)).map { $0[0] }
            for target in targets where !target.contains("://") && !target.hasPrefix("mailto:") {
                let file = folder.appendingPathComponent(target).standardizedFileURL
                if !FileManager.default.fileExists(atPath: file.path) { broken.append("\(page) -> \(target)") }
            }
        }
        #expect(broken == [])
    }
}

private func report(_ violations: [Violation]) -> String? {
    violations.isEmpty ? nil : "\n" + violations.map(\.description).sorted().joined(separator: "\n")
}
