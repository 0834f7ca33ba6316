package import Database
import GRDB
package import Kernel
package import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension SQLiteDatabase {
    /// Who keeps the file.
    package enum Files: Sendable {
        /// The machine. A new file is its owner's alone.
        case machine
        /// A virtual file system that knows the path.
        case virtual
    }

    /// Of a new database; one that is there keeps its own. Batches write whole pages: of larger ones it takes fewer
    /// calls, and still larger ones would carry along more that has not changed.
    private static let pageSize = 8192
    /// Bytes of the write-ahead log after which it is copied to the database.
    private static let longestLog = 16 << 20

    /// Opens the file, and creates it with mode 0600 when it is missing; its folder must exist.
    /// - Parameter threads: where bodies run; nil for threads of the database's own: one that writes and
    ///   `limits.readers` that read.
    /// - Throws: `Problem(.storageUnavailable)` or `.storageFull`. What an operator needs beside it is logged.
    package static func open(
        path: String, clock: any Clock, logger: Logger, limits: Limits = Limits(),
        threads: (any WorkThreads)? = nil, files: Files = .machine
    ) throws -> SQLiteDatabase {
        do {
            if case .machine = files, let failure = createPrivately(path) { throw failure }
            let pool = try DatabasePool(path: path, configuration: configuration(limits))
            try pool.writeWithoutTransaction { db in
                // GRDB sets NORMAL after its own preparation; rows that are money must survive a power cut.
                try db.execute(sql: "PRAGMA synchronous = FULL")
                // What a body may have to undo is kept for its savepoint: in memory, and not in a file that is made,
                // written and removed for each body that changes more than a few pages. It is as large as those pages.
                try db.execute(sql: "PRAGMA temp_store = MEMORY")
                // In pages. A page that many transactions write is copied to the database less often.
                let pageSize = try Int.fetchOne(db, sql: "PRAGMA page_size") ?? Self.pageSize
                let pages = Self.longestLog / pageSize
                try db.execute(sql: "PRAGMA wal_autocheckpoint = \(pages)")
                // A process that was killed at COMMIT may have left a transaction that can be read and is not on the
                // disk yet. Whoever finds its row there would rely on it, so it is synced before anybody looks.
                _ = try GRDB.Row.fetchOne(db, sql: "PRAGMA wal_checkpoint(PASSIVE)")
            }
            return SQLiteDatabase(
                pool: pool, clock: clock, limits: limits, logger: logger,
                threads: threads.map { Threads($0) } ?? Threads(readers: limits.readers))
        } catch {
            let failure = (error as? DatabaseError)?.failure ?? (error as? DatabaseFailure) ?? .unavailable("\(error)")
            logger.error("the database cannot be opened", metadata: ["path": "\(path)", "error": "\(failure)"])
            throw failure.problem
        }
    }

    private static func configuration(_ limits: Limits) -> Configuration {
        var configuration = Configuration()
        configuration.label = "volery.sqlite"
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(limits.lockWait.seconds)
        configuration.maximumReaderCount = limits.readers
        // Before the first page is written.
        configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA page_size = \(Self.pageSize)") }
        return configuration
    }

    /// SQLite gives its side files the mode of the main one, so this is enough for all three.
    private static func createPrivately(_ path: String) -> DatabaseFailure? {
        #if canImport(Glibc)
            let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        #else
            let descriptor = Darwin.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        #endif
        guard descriptor >= 0 else {
            let code = errno
            return code == ENOSPC ? .full : .unavailable("open: \(String(cString: strerror(code)))")
        }
        #if canImport(Glibc)
            Glibc.close(descriptor)
        #else
            Darwin.close(descriptor)
        #endif
        return nil
    }
}
