import Yams

/// The settings of a YAML file: flat, beside what the same file may declare. Unknown keys, other shapes and repeated
/// keys are faults, each with its line.
struct SettingsFile: Sendable, Equatable {
    struct Entry: Sendable, Equatable {
        let text: String
        let line: Int
    }

    let path: String
    private(set) var entries: [String: Entry] = [:]
    private(set) var faults: [SettingFault] = []

    /// No file.
    init() { path = "" }

    init(path: String, yaml: String, known: [SettingRow]) {
        self.path = path
        let text = YAMLText(yaml: yaml)
        for fault in text.faults {
            complain(fault.key.map { String($0.prefix(100)) } ?? "file", line: fault.line, fault.complaint)
        }
        guard let root = text.root else { return }
        guard let mapping = root.mapping else {
            complain("file", line: 1, "must be a mapping of settings, such as `port: 8080`")
            return
        }
        for (key, value) in mapping { read(key, value, known: known) }
    }

    private mutating func read(_ key: Node, _ value: Node, known: [SettingRow]) {
        let line = key.mark?.line ?? 1
        guard let name = key.string else {
            complain("file", line: line, "has a key that is not text")
            return
        }
        // What is declared beside the settings is read on its own, by those who need it.
        if Declaration.keys.contains(name) || name.first == YAMLText.renamed { return }
        guard known.contains(where: { $0.key == name }) else {
            let names = known.map(\.key) + Declaration.keys
            let suggestion = Suggestion.closest(to: name, among: names).map { "; did you mean `\($0)`?" } ?? ""
            complain(String(name.prefix(100)), line: line, "is not a setting\(suggestion)")
            return
        }
        switch value {
        case .scalar(let scalar):
            entries[name] = Entry(text: scalar.string, line: line)
        case .sequence(let items):
            let texts = items.compactMap(\.scalar?.string)
            guard texts.count == items.count else {
                complain(name, line: line, "must be a list of plain values")
                return
            }
            entries[name] = Entry(text: texts.joined(separator: ","), line: line)
        case .mapping, .alias:
            complain(name, line: line, "must be a plain value")
        }
    }

    mutating func refuse(_ complaint: String) { complain("file", line: 1, complaint) }

    private mutating func complain(_ key: String, line: Int, _ complaint: String) {
        faults.append(SettingFault(key: key, origin: .file(path: path, line: line), complaint: complaint))
    }
}
