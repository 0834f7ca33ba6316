import GRDBSQLite
import Journal
package import Kernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// SQLite's door to simulated disks: a path of `Mount.sqlitePath` leads to the mount's files, every other path to the
/// machine's as before.
package enum SimulatedVFS {
    static let prefix = "/sim/"

    /// Makes it the default of this process. A second call does nothing.
    package static func install() { _ = isInstalled }

    /// SQLite's generator of random numbers is one for the process. From here on it draws from `random`, beginning
    /// anew, so that what it writes (salts) is the same in each run; and SQLite's time is `clock`'s.
    ///
    /// Other connections of the process draw from the same generator: contents are the same byte for byte only where
    /// the simulation is alone with SQLite.
    package static func reseed(_ random: any RandomSource, clock: any Clock) {
        install()
        sources.withLock { $0 = Sources(random: random, clock: clock, thread: currentThread) }
        sqlite3_randomness(0, nil)
    }

    /// Gives SQLite the machine's randomness and time back.
    package static func endSimulation() {
        sources.withLock { $0 = nil }
        sqlite3_randomness(0, nil)
    }

    static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? path
    }

    private struct Sources: Sendable {
        let random: any RandomSource
        let clock: any Clock
        /// Real connections on other threads keep the machine's time and waits.
        let thread: UInt
    }

    private static let sources = Mutex<Sources?>(nil)

    private static var currentThread: UInt {
        #if canImport(Glibc)
            UInt(pthread_self())
        #else
            UInt(bitPattern: pthread_self())
        #endif
    }

    static var random: (any RandomSource)? { sources.withLock { $0?.random } }

    /// The simulation's clock, on its own thread.
    static var clock: (any Clock)? {
        let thread = currentThread
        return sources.withLock { $0.flatMap { $0.thread == thread ? $0.clock : nil } }
    }

    /// The mount and the path on its disk; nil for a path of the machine, or of a disk that is gone.
    static func place(_ path: UnsafePointer<CChar>?) -> (mount: Mount, path: String)? {
        guard let path, strncmp(path, prefix, prefix.utf8.count) == 0 else { return nil }
        let rest = String(cString: path).dropFirst(prefix.count)
        guard let slash = rest.firstIndex(of: "/") else { return nil }
        let numbers = rest[..<slash].split(separator: "-").compactMap { Int($0) }
        guard numbers.count == 2, let disk = DiskRegistry.disk(numbers[0]) else { return nil }
        return (Mount(disk: disk, number: numbers[1]), String(rest[slash...]))
    }

    static func isSimulated(_ path: UnsafePointer<CChar>?) -> Bool {
        path.map { strncmp($0, prefix, prefix.utf8.count) == 0 } ?? false
    }

    private static let isInstalled: Bool = {
        guard let machine = sqlite3_vfs_find(nil) else { return false }
        let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        vfs.initialize(to: makeVFS(over: machine))
        return sqlite3_vfs_register(vfs, 1) == SQLITE_OK
    }()
}
