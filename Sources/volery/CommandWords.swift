import App
import ArgumentParser

/// The words of a command line, before the parser has them and after it made nothing of them.
enum CommandWords {
    /// With `--amount -5` as `--amount=-5`: the parser takes what begins with a dash for an option, and would say that
    /// the value is missing. No option of ours begins with a digit.
    static func joined(_ words: [String]) -> [String] {
        var joined: [String] = []
        for (index, word) in words.enumerated() {
            if word == "--" { return joined + words[index...] }
            if isNegative(word), let last = joined.last, last.hasPrefix("--"), !last.contains("=") {
                joined[joined.count - 1] = last + "=" + word
            } else {
                joined.append(word)
            }
        }
        return joined
    }

    private static func isNegative(_ word: String) -> Bool {
        guard word.first == "-", let second = word.dropFirst().first else { return false }
        return second.isASCII && (second.isNumber || second == ".") && Double(word) != nil
    }

    /// What to say where the words name a command that there is not; nil where they do not.
    static func unknownCommand(in words: [String]) -> String? {
        var command: any ParsableCommand.Type = Volery.self
        var path = Volery._commandName
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" { return nil }
            if word.hasPrefix("-") {
                if ["--data-dir", "--config"].contains(word) { rest = rest.dropFirst() }
                continue
            }
            let known = command.configuration.subcommands
            if known.isEmpty { return nil }
            guard let next = known.first(where: { $0._commandName == word }) else {
                let shown = Terminal.printable(String(word.prefix(80)))
                let names = known.map { $0._commandName }
                let meant = Suggestion.closest(to: word, among: names)
                return "error: `\(path) \(shown)` is no command"
                    + (meant.map { "; did you mean `\(path) \($0)`?" } ?? ".")
                    + "\n  There are: \(names.joined(separator: ", ")).\n"
            }
            command = next
            path += " " + word
        }
        return nil
    }

    /// The option by which the words gave a parameter of the API.
    static func option(for parameter: String, in words: [String]) -> String? {
        let member = parameter.prefix { $0 != "[" }
        let option = "--" + (member == "group_by" ? "by" : member.replacing("_", with: "-"))
        return words.contains { $0 == option || $0.hasPrefix(option + "=") } ? option : nil
    }
}
