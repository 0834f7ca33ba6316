package import Kernel

extension Recipe {
    /// - Parameters:
    ///   - document: the parsed file.
    ///   - file: its name, for messages.
    /// - Throws: `CONFIGURATION_INVALID`, which names file, line, key, value and what is allowed.
    package init(_ document: RecipeNode, file: String) throws(Problem) {
        let root = try RecipeReader(
            file: file, path: "", node: document,
            keys: [
                "name", "description", "model", "files", "sources", "python", "process", "probe", "restart",
                "resources",
            ])
        name = try root.text("name", Name.allowed, where: Name.isGood)
        summary = try root.text("description")
        card = try ModelCard(root)
        files = try ModelFile.all(root)
        sources = try ModelSource.all(root, files: files)
        python = try PythonNeeds(root)
        process = try ProcessRecipe(root)
        probe = try Probe(root)
        restart = try RestartPolicy(root)
        resources = try Resources(root)
    }

    enum Name {
        static let allowed = "1 to 64 lower-case letters, digits, '.', '_' or '-', beginning with a letter or digit"

        static func isGood(_ text: String) -> Bool {
            let bytes = text.utf8
            guard (1...64).contains(bytes.count), let first = bytes.first, isWord(first) else { return false }
            return bytes.allSatisfy { isWord($0) || $0 == 0x2E || $0 == 0x5F || $0 == 0x2D }
        }

        private static func isWord(_ byte: UInt8) -> Bool {
            (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte)
        }
    }
}

extension ModelCard {
    init(_ root: RecipeReader) throws(Problem) {
        let keys = [
            "kind", "protocol", "name", "aliases", "upstream_name", "licence", "context", "dimensions",
            "capabilities",
        ]
        let model = try root.map("model", keys: keys)
        kind = try model.choice("kind", of: Kind.self)
        wireProtocol = try model.choice("protocol", of: WireProtocol.self, or: .openai)
        name = try model.text("name", ModelCard.allowedName, where: ModelCard.isGoodName)
        upstreamName = try model.text("upstream_name", or: name)
        licence = try model.text("licence")
        contextLimit = try model.integer("context", in: 1...10_000_000)
        dimensions = model.optional("dimensions") == nil ? nil : try model.integer("dimensions", in: 1...65_536)
        var aliases: [String] = []
        for node in try model.list("aliases") {
            let alias = try model.text("aliases", node)
            guard ModelCard.isGoodName(alias) else { throw model.refuse("aliases", node, ModelCard.allowedName) }
            aliases.append(alias)
        }
        self.aliases = aliases
        var capabilities: Set<Capability> = []
        for node in try model.list("capabilities") {
            guard let capability = Capability(rawValue: try model.text("capabilities", node)) else {
                let known = Capability.allCases.map(\.rawValue).joined(separator: ", ")
                throw model.refuse("capabilities", node, "one of " + known)
            }
            capabilities.insert(capability)
        }
        self.capabilities = capabilities
    }

    private static let allowedName = "1 to 128 letters, digits or any of '.', '_', '-', ':', '/'"

    private static func isGoodName(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy {
                $0.isASCII
                    && ($0.properties.isAlphabetic || (0x30...0x39).contains($0.value)
                        || "._-:/".contains(Character($0)))
            }
    }
}

extension PythonNeeds {
    init?(_ root: RecipeReader) throws(Problem) {
        guard let python = try root.optionalMap("python", keys: ["requirements", "bytes"]) else { return nil }
        var requirements: [String] = []
        for node in try python.list("requirements") {
            let line = try python.text("requirements", node)
            guard line.contains("=="), !line.contains("\n"), !line.hasPrefix("-") else {
                throw python.refuse("requirements", node, "pinned, such as numpy==2.4.6, optionally with --hash")
            }
            requirements.append(line)
        }
        self.requirements = requirements
        bytes = Int64(try python.integer("bytes", in: 0...1_000_000_000_000, or: 0))
    }
}

extension ProcessRecipe {
    init(_ root: RecipeReader) throws(Problem) {
        let process = try root.map("process", keys: ["command", "environment", "parallel", "stop_grace"])
        var command: [Template] = []
        for node in try process.list("command") { command.append(try process.template("command", node)) }
        guard !command.isEmpty else {
            throw process.refuse("command", try process.required("command"), "a list that begins with the program")
        }
        self.command = command
        var environment: [String: Template] = [:]
        for entry in try process.pairs("environment") {
            environment[entry.key] = try process.template("environment." + entry.key, entry.node)
        }
        self.environment = environment
        parallel = try process.integer("parallel", in: 1...1024, or: 1)
        stopGrace = try process.duration("stop_grace", in: .seconds(0) ... .seconds(300), or: .seconds(5))
    }
}

extension RecipeReader {
    fileprivate func template(_ name: String, _ node: RecipeNode) throws(Problem) -> Template {
        let text = try text(name, node)
        do {
            return try Template(text)
        } catch {
            let known = Template.Placeholder.allCases.map { "{\($0.rawValue)}" }.joined(separator: ", ")
            throw refuse(name, node, "without {\(error.name)}; the placeholders are " + known)
        }
    }
}

extension Probe {
    init(_ root: RecipeReader) throws(Problem) {
        let keys = ["path", "status", "start_timeout", "interval", "timeout", "failures"]
        let probe = try root.map("probe", keys: keys)
        path = try probe.text("path", "a path that begins with /") { $0.hasPrefix("/") && !$0.contains(" ") }
        expectedStatus = try probe.integer("status", in: 100...599, or: 200)
        startTimeout = try probe.duration("start_timeout", in: .seconds(1) ... .seconds(3600), or: .seconds(120))
        interval = try probe.duration("interval", in: .milliseconds(100) ... .seconds(600), or: .seconds(5))
        timeout = try probe.duration("timeout", in: .milliseconds(100) ... .seconds(120), or: .seconds(5))
        failures = try probe.integer("failures", in: 1...100, or: 3)
    }
}

extension RestartPolicy {
    init(_ root: RecipeReader) throws(Problem) {
        let keys = ["initial", "maximum", "stable_after", "crash_loop_after"]
        guard let restart = try root.optionalMap("restart", keys: keys) else {
            self = .usual
            return
        }
        let usual = RestartPolicy.usual
        let waits: ClosedRange<Duration> = .milliseconds(10) ... .seconds(3600)
        let initial = try restart.duration("initial", in: waits, or: usual.initial)
        maximum = try restart.duration("maximum", in: initial ... .seconds(3600), or: max(initial, usual.maximum))
        self.initial = initial
        stableAfter = try restart.duration("stable_after", in: waits, or: usual.stableAfter)
        crashLoopAfter = try restart.integer("crash_loop_after", in: 1...100, or: usual.crashLoopAfter)
    }

    package static let usual = RestartPolicy(
        initial: .seconds(1), maximum: .seconds(60), stableAfter: .seconds(60), crashLoopAfter: 3)
}

extension Resources {
    init(_ root: RecipeReader) throws(Problem) {
        let resources = try root.map("resources", keys: ["memory_mib", "threads"])
        memoryMiB = try resources.integer("memory_mib", in: 1...16_777_216)
        threads = resources.optional("threads") == nil ? nil : try resources.integer("threads", in: 1...1024)
    }
}
