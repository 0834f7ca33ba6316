import Journal

/// A file system that is another one but for what its type says otherwise.
protocol ForwardingFiles: JournalFileSystem {
    var inner: any JournalFileSystem { get }
}

extension ForwardingFiles {
    func claim(_ folder: String) throws(FileFailure) -> Bool { try inner.claim(folder) }
    func release(_ folder: String) { inner.release(folder) }
    func names(in folder: String) throws(FileFailure) -> [String] { try inner.names(in: folder) }
    func create(_ path: String) throws(FileFailure) -> any JournalFile { try inner.create(path) }
    func read(_ path: String, from offset: Int, to end: Int) throws(FileFailure) -> [UInt8] {
        try inner.read(path, from: offset, to: end)
    }
    func truncate(_ path: String, to length: Int) throws(FileFailure) { try inner.truncate(path, to: length) }
    func sync(_ path: String) throws(FileFailure) { try inner.sync(path) }
    func rename(_ path: String, to other: String) throws(FileFailure) { try inner.rename(path, to: other) }
    func remove(_ path: String) throws(FileFailure) { try inner.remove(path) }
    func syncFolder(_ folder: String) throws(FileFailure) { try inner.syncFolder(folder) }
    func freeBytes(in folder: String) throws(FileFailure) -> Int { try inner.freeBytes(in: folder) }
}
