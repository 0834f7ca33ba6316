import Yams

/// A file as YAML, with what is wrong with it as YAML.
///
/// A key that is given twice ends the reading of YAML. So that whoever wrote the file learns of everything at once, its
/// first place is renamed to something that no key is, the file is read again, and the fault is where it stands again.
struct YAMLText {
    /// Begins a renamed key; of the private use area, so that nobody writes it.
    static let renamed: Character = "\u{E0DA}"
    /// Keys given twice that are looked for.
    private static let mostRepeats = 50

    /// Nil for an empty file, and for one that is not YAML.
    private(set) var root: Node?
    private(set) var faults: [Fault] = []

    struct Fault {
        /// From 1.
        let line: Int
        let column: Int
        /// The key that is at fault; nil for the file.
        let key: String?
        let complaint: String
    }

    init(yaml: String) {
        var lines = yaml.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var repeats: [Fault] = []
        while true {
            do {
                root = try Yams.compose(yaml: lines.joined(separator: "\n"))
                break
            } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
                let (line, column) = (context.mark.line, context.mark.column)
                let key = keys.first ?? ""
                let isRenamed = Self.rename(key, line: line, column: column, to: "\(repeats.count)", in: &lines)
                repeats.append(Fault(line: line, column: column, key: key, complaint: "is given more than once"))
                guard isRenamed, repeats.count < Self.mostRepeats else { break }
            } catch let error as YamlError {
                let (line, column) = (error.mark?.line ?? 1, error.mark?.column ?? 1)
                faults = [Fault(line: line, column: column, key: nil, complaint: "is not valid YAML" + error.reason)]
                break
            } catch {
                faults = [Fault(line: 1, column: 1, key: nil, complaint: "is not valid YAML")]
                break
            }
        }
        if let root, !repeats.isEmpty { Self.place(&repeats, root) }
        faults += repeats
    }

    /// Moves each repeat to the place where the key is given again.
    private static func place(_ repeats: inout [Fault], _ node: Node) {
        switch node {
        case .mapping(let mapping):
            for (key, value) in mapping {
                place(&repeats, value)
                guard let text = key.scalar?.string, text.first == renamed, let index = Int(text.dropFirst()),
                    repeats.indices.contains(index),
                    let again = mapping.keys.first(where: { $0.scalar?.string == repeats[index].key })?.mark
                else { continue }
                repeats[index] = Fault(
                    line: again.line, column: again.column, key: repeats[index].key,
                    complaint: repeats[index].complaint)
            }
        case .sequence(let items): for item in items { place(&repeats, item) }
        case .scalar, .alias: return
        }
    }

    /// - Returns: whether the key stood there as it reads.
    private static func rename(
        _ key: String, line: Int, column: Int, to name: String, in lines: inout [String]
    ) -> Bool {
        guard lines.indices.contains(line - 1), column > 0, !key.isEmpty else { return false }
        var scalars = Array(lines[line - 1].unicodeScalars)
        let wanted = Array(key.unicodeScalars)
        guard var start = Optional(column - 1), start < scalars.count else { return false }
        if scalars[start] == "\"" || scalars[start] == "'" { start += 1 }
        guard scalars[start...].starts(with: wanted) else { return false }
        scalars.replaceSubrange(start..<start + wanted.count, with: (String(Self.renamed) + name).unicodeScalars)
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        lines[line - 1] = String(text)
        return true
    }
}

extension YamlError {
    fileprivate var mark: Mark? {
        switch self {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark
        default: nil
        }
    }

    /// The parser's own words. Not the error's description, which repeats a line of the file: it may hold a password.
    fileprivate var reason: String {
        switch self {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _): ": " + problem
        case .composer(_, let problem, _, _): ": " + problem
        default: ""
        }
    }
}
