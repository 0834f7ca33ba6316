/// What Package.swift says of our targets and their dependencies on each other.
struct Manifest {
    /// Target name to the names of ours that it depends on.
    let targets: [String: Set<String>]

    init(_ text: String) throws {
        let source = SwiftSource(path: "Package.swift", text: text)
        // Comments are blanked and literals are not, since the names stand in them.
        let visible = zip(source.lines, source.comments)
            .map { line, comment in comment.allSatisfy { $0 == " " } ? line : String(line.prefix { $0 != "/" }) }
            .joined(separator: "\n")
        let list = try Pattern(#"\broom\(\s*"(\w+)",\s*\[([^\]]*)\]"#)
        let bare = try Pattern(#"\.(?:target|systemLibrary)\(\s*name:\s*"(\w+)""#)
        let executable = try Pattern(#"\.executableTarget\(\s*name:\s*"(\w+)",\s*dependencies:\s*\[([^\]]*)\]"#)
        let product = try Pattern(#"product\("[^"]*",\s*"[^"]*"\)"#)
        let name = try Pattern(#""(\w+)""#)
        var targets: [String: Set<String>] = [:]
        for captured in bare.captures(in: visible) { targets[captured[0]] = [] }
        for captured in list.captures(in: visible) + executable.captures(in: visible) {
            targets[captured[0]] = Set(name.captures(in: product.removed(from: captured[1])).map { $0[0] })
        }
        self.targets = targets
    }

    /// Where the manifest and the table of walls differ. A target may ask for less than its wall allows.
    func violations(against rooms: [Room]) -> [Violation] {
        let missing = rooms.filter { targets[$0.name] == nil }
            .map { objection("Walls.swift has a row for \($0.name), which is no target") }
        let extra = targets.flatMap { target, dependencies -> [Violation] in
            guard let room = rooms.first(where: { $0.name == target }) else {
                return [objection("the target \(target) has no row in Walls.swift")]
            }
            return dependencies.subtracting(room.ours).sorted()
                .map { objection("\(target) depends on \($0), which its wall does not allow") }
        }
        return missing + extra
    }

    private func objection(_ reason: String) -> Violation {
        Violation(rule: "manifest", path: "Package.swift", line: 1, reason: reason)
    }
}
