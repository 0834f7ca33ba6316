import FoundationEssentials
package import Kernel
import Yams

/// A file that declares what there is to be, read and checked: `volery.yaml`, or another.
package struct DeclarationFile: Sendable {
    /// A file of 20,000 workspaces has about a megabyte.
    private static let mostBytes = 16 << 20

    package let path: String
    package let declaration: Declaration
    /// Also those of the settings in it.
    package let faults: [DeclarationFault]

    /// - Throws: `CONFIGURATION_INVALID` when it cannot be read at all.
    package static func read(_ path: String) throws(Problem) -> DeclarationFile {
        let yaml: String
        do {
            let data = try Data(contentsOf: URL(filePath: path))
            guard data.count <= mostBytes else {
                throw Problem(.configurationInvalid, "\(path) is longer than \(ByteSize.text(mostBytes)).")
            }
            guard let text = String(validating: data, as: UTF8.self) else {
                throw Problem(.configurationInvalid, "\(path) is not UTF-8.")
            }
            yaml = text
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem(.configurationInvalid, UnreadableFile.told(path).words, hint: "Check the file's name.")
        }
        return DeclarationFile(path: path, yaml: yaml)
    }

    package init(path: String, yaml: String) {
        self.path = path
        let reading = Declaration.read(yaml: yaml)
        declaration = reading.declaration
        let told = Set(reading.faults.map(\.place))
        let marks = reading.settings.filter { !told.contains($0.key) }
        faults = (reading.faults + Self.settingFaults(path, yaml, marks)).sorted()
    }

    /// What is wrong with the values of the settings in it.
    private static func settingFaults(_ path: String, _ yaml: String, _ marks: [String: Mark]) -> [DeclarationFault] {
        let report = Configuration.load(
            flags: ["config": path], environment: [:],
            surroundings: Configuration.Surroundings(workingDirectory: "/") { _ in yaml })
        return report.faults.compactMap { fault in
            marks[fault.key].map {
                DeclarationFault(line: $0.line, column: $0.column, place: fault.key, complaint: fault.complaint)
            }
        }
    }

    /// Where its relative paths begin.
    var folder: String {
        let end = path.lastIndex(of: "/")
        return end.map { String(path[..<$0]) } ?? "."
    }

    /// What is wrong with the providers' keys that it points to. A machine that only checks need not have them.
    package func keyFaults(environment: [String: String]) -> [String] {
        DeclaredKeys.read(declaration.providers ?? [], folder: folder, environment: environment).faults
    }

    /// - Throws: `CONFIGURATION_INVALID` that names every fault.
    package func checked() throws(Problem) -> Declaration {
        guard let first = faults.first else { return declaration }
        throw Problem(
            .configurationInvalid, faults.map { "\(path):\($0.sentence)" }.joined(separator: "\n"),
            parameter: first.place,
            hint: "`volery config check` shows the same without touching anything.")
    }
}

/// A file that somebody named and that cannot be read: where it was looked for, and whether there is one.
enum UnreadableFile {
    static func told(_ path: String) -> (words: String, isThere: Bool) {
        let folder = FileManager.default.currentDirectoryPath
        let whole = path.hasPrefix("/") ? path : folder + "/" + path
        let isThere = FileManager.default.fileExists(atPath: whole)
        return (isThere ? "\(whole) cannot be read." : "\(whole): no such file.", isThere)
    }
}
