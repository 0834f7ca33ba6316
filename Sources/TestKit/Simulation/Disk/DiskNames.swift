import Kernel

/// The names of files: as processes see them, and as a power cut finds them. A rename is whole or not at all.
struct DiskNames: Sendable {
    private struct Change: Sendable {
        /// What each name means after it; nil for a name that is gone.
        let meanings: [(path: String, file: Int?)]
    }

    private(set) var current: [String: Int]
    private var durable: [String: Int]
    private var unsynced: [Change] = []

    init(durable: [String: Int] = [:]) {
        current = durable
        self.durable = durable
    }

    subscript(path: String) -> Int? { current[path] }

    /// In order, so that nothing depends on how a dictionary is laid out.
    var paths: [String] { current.keys.sorted() }

    /// The files in the folder, without the folder's name.
    func names(in folder: String) -> [String] {
        let prefix = folder.hasSuffix("/") ? folder : folder + "/"
        return paths.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
            .filter { !$0.contains("/") }
    }

    mutating func create(_ path: String, file: Int) { change([(path, file)]) }
    mutating func remove(_ path: String) { change([(path, nil)]) }
    mutating func rename(_ path: String, to other: String, file: Int) { change([(path, nil), (other, file)]) }

    mutating func sync(folder: String) {
        let prefix = folder.hasSuffix("/") ? folder : folder + "/"
        unsynced.removeAll { change in
            guard change.meanings.contains(where: { $0.path.hasPrefix(prefix) }) else { return false }
            Self.apply(change, to: &durable)
            return true
        }
    }

    mutating func losePower(_ random: any RandomSource) {
        for change in unsynced where random.next(below: 2) == 0 { Self.apply(change, to: &durable) }
        unsynced = []
        current = durable
    }

    private mutating func change(_ meanings: [(path: String, file: Int?)]) {
        let change = Change(meanings: meanings)
        Self.apply(change, to: &current)
        unsynced.append(change)
    }

    private static func apply(_ change: Change, to names: inout [String: Int]) {
        for (path, file) in change.meanings { names[path] = file }
    }
}
