import Foundation

/// The codes of Errors/catalog.json, and those that the API description lists.
struct ErrorCatalog {
    let codes: [String]

    private struct File: Decodable {
        struct Entry: Decodable { let code: String }
        let errors: [Entry]
    }

    init(_ json: String) throws {
        codes = try JSONDecoder().decode(File.self, from: Data(json.utf8)).errors.map(\.code)
    }

    /// The members of the enum under `ErrorCode:`, which is written one to a line.
    static func codesDescribed(in yaml: String) throws -> [String] {
        let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(where: { $0.trimmingCharacters(in: .whitespaces) == "ErrorCode:" }) else {
            return []
        }
        let member = try Pattern(#"^\s+- ([A-Z_]+)$"#)
        return lines[(start + 1)...]
            .drop { !member.isFound(in: String($0)) }
            .prefix { member.isFound(in: String($0)) }
            .flatMap { member.captures(in: String($0)).map { $0[0] } }
            .sorted()
    }
}
