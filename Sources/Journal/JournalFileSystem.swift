/// The file system as the journal uses it: the machine's own, or a simulated disk that can lose what was not synced.
/// Paths are absolute. Nothing here retries.
package protocol JournalFileSystem: Sendable {
    /// Makes the folder (mode 0700) where it is missing, and takes its lock.
    /// - Returns: whether it is ours now; false when another process has it.
    func claim(_ folder: String) throws(FileFailure) -> Bool
    /// Gives the lock back.
    func release(_ folder: String)
    /// The names of the files in the folder, in any order.
    func names(in folder: String) throws(FileFailure) -> [String]
    /// A new empty file (mode 0600) for appending; one of the same name is emptied.
    func create(_ path: String) throws(FileFailure) -> any JournalFile
    /// The bytes from `offset` up to `end` or the end of the file.
    func read(_ path: String, from offset: Int, to end: Int) throws(FileFailure) -> [UInt8]
    func truncate(_ path: String, to length: Int) throws(FileFailure)
    /// As `JournalFile.sync`, for a file that another process wrote.
    func sync(_ path: String) throws(FileFailure)
    func rename(_ path: String, to other: String) throws(FileFailure)
    /// A file that is not there is no failure.
    func remove(_ path: String) throws(FileFailure)
    /// Makes created, renamed and removed names durable.
    func syncFolder(_ folder: String) throws(FileFailure)
    /// Bytes that an ordinary user may still write to the folder's disk.
    func freeBytes(in folder: String) throws(FileFailure) -> Int
}

/// One open file. `append` and `truncate` come from any thread, one at a time; `sync` may run beside them.
package protocol JournalFile: AnyObject, Sendable {
    /// As `write(2)`, at the end of the file.
    /// - Returns: how many bytes were taken; a negative `errno` when none was.
    func append(_ bytes: UnsafeRawBufferPointer) -> Int
    /// - Returns: 0, or the `errno`.
    func truncate(to length: Int) -> CInt
    /// As `fdatasync(2)`: what was appended before the call is on the disk when it returns 0. After a failure the
    /// system may have dropped the bytes: it is never called again then.
    /// - Returns: 0, or the `errno`.
    func sync() -> CInt
    func close()
}

package struct FileFailure: Error, Sendable, Equatable {
    /// What was tried.
    package let step: String
    /// The `errno`.
    package let code: CInt

    package init(step: String, code: CInt) {
        self.step = step
        self.code = code
    }
}
