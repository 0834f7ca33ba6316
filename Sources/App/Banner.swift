import FoundationEssentials
package import Kernel

/// What `volery serve` prints when it is up: the next actions. Pure text; what it tells comes in as values.
package struct Banner: Sendable {
    package struct Model: Sendable, Equatable {
        package let name: String
        package let aliases: [String]
        package let isReady: Bool
        /// Whether nothing is missing but the start of its process: sooner ready than somebody pastes a command.
        package let isStarting: Bool
        /// What happens until it is ready.
        package let detail: String?

        package init(name: String, aliases: [String], isReady: Bool, isStarting: Bool = false, detail: String?) {
            self.name = name
            self.aliases = aliases
            self.isReady = isReady
            self.isStarting = isStarting
            self.detail = detail
        }
    }

    package enum Key: Sendable {
        /// Made just now: shown this once.
        case fresh(Secret)
        /// In the file of the first key, made at an earlier start.
        case kept
        /// There is no such file: keys were made in another way.
        case elsewhere
    }

    /// What the program is called in a shell.
    package var program: String
    package var version: String
    package var startSeconds: Double
    package var folder: String
    /// Whether commands find the folder without being told.
    package var isUsualFolder: Bool
    /// Base URL without a path.
    package var url: String
    package var metricsURL: String?
    package var key: Key
    package var models: [Model]
    package var found: [Adoptable]
    /// Whether only this machine reaches the API.
    package var isLocal: Bool

    package init(
        program: String, version: String, startSeconds: Double, folder: String, isUsualFolder: Bool, url: String,
        metricsURL: String?, key: Key, models: [Model], found: [Adoptable], isLocal: Bool
    ) {
        self.program = program
        self.version = version
        self.startSeconds = startSeconds
        self.folder = folder
        self.isUsualFolder = isUsualFolder
        self.url = url
        self.metricsURL = metricsURL
        self.key = key
        self.models = models
        self.found = found
        self.isLocal = isLocal
    }

    package var text: String {
        var lines = ["Volery \(version), ready in \(tenths(startSeconds)) s", ""]
        lines.append("  Data     \(folder)")
        lines.append("  API      \(url)/v1\(isLocal ? "   (this machine only)" : "")")
        lines.append("  Key      \(keyText)")
        lines += modelLines
        if let metricsURL { lines.append("  Metrics  \(metricsURL)") }
        for thing in found { lines += ["  Found    \(thing.text)", "           \(told(thing.adoption))"] }
        lines += ["", "Try"]
        lines += curl.map { "  " + $0 }
        lines += ["", "  \(command("chat")) \"\(greeting)\"", "", "Check", "  \(command("doctor"))", ""]
        return lines.joined(separator: "\n")
    }

    private var keyText: String {
        switch key {
        case .fresh(let secret): "\(secret.reveal())   (shown once; kept in \(folder)/initial-api-key)"
        case .kept: "in \(folder)/initial-api-key"
        case .elsewhere: "\(command("keys create")) --name NAME makes one"
        }
    }

    private var modelLines: [String] {
        models.enumerated().map { index, model in
            let title = index == 0 ? "  Models   " : "           "
            let others = model.aliases.isEmpty ? "" : " (also \(model.aliases.joined(separator: ", ")))"
            let state = model.isReady ? "ready" : model.detail ?? "loading"
            return "\(title)\(model.name)\(others): \(state)"
        }
    }

    private func told(_ adoption: Adoptable.Adoption) -> String {
        switch adoption {
        case .command(let words): command(words)
        case .none(let reason): reason
        }
    }

    /// The command that stands in the text works as it is pasted: with the folder, where that is not the usual one.
    private func command(_ words: String) -> String {
        let place = isUsualFolder ? "" : " --data-dir \(Banner.quoted(folder))"
        return "\(Banner.quoted(program))\(place) \(words)"
    }

    private var greeting: String { "Say hello in one sentence." }

    private var curl: [String] {
        let bearer: String
        switch key {
        case .fresh(let secret): bearer = secret.reveal()
        case .kept: bearer = "$(cat \(Banner.quoted(folder + "/initial-api-key")))"
        case .elsewhere: bearer = "$VOLERY_API_KEY"
        }
        let isDefaultNear = models.contains { ($0.isReady || $0.isStarting) && $0.aliases.contains("default") }
        let model = isDefaultNear ? "default" : firstReady
        return [
            #"curl \#(url)/v1/chat/completions -H "Authorization: Bearer \#(bearer)" \"#,
            #"  -H "Content-Type: application/json" -N \"#,
            #"  -d '{"model": "\#(model)", "stream": true, "#
                + #""messages": [{"role": "user", "content": "\#(greeting)"}]}'"#,
        ]
    }

    private var firstReady: String { models.first(where: \.isReady)?.name ?? "default" }

    private func tenths(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10).rounded(.up))
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// For a shell, where the text needs it.
    static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "/._-".utf8.contains(byte)
            }
        }
        return isPlain ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }
}

/// What this program is called in a command for somebody to paste into another terminal.
package enum ProgramName {
    static let usual = "volery"

    /// - Parameters:
    ///   - startedBy: the first argument of the process.
    ///   - search: `PATH`.
    ///   - file: the file that a path leads to, links followed; nil when it is no program.
    package static func called(
        startedBy: String, search: String, workingDirectory: String, file: (String) -> String? = Self.file
    ) -> String {
        // A name alone was found on the PATH.
        guard startedBy.contains("/") else { return startedBy }
        let shown = startedBy.hasPrefix("./") ? String(startedBy.dropFirst(2)) : startedBy
        let path = shown.hasPrefix("/") ? shown : workingDirectory + "/" + shown
        for folder in search.split(separator: ":") where folder.hasPrefix("/") {
            guard let found = file("\(folder)/\(usual)") else { continue }
            return found == file(path) ? usual : path
        }
        return path
    }

    package static func file(_ path: String) -> String? {
        guard FileManager.default.isExecutableFile(atPath: path) else { return nil }
        return URL(filePath: path).resolvingSymlinksInPath().path
    }
}
