/// One process at the disk. After its crash it is dead: whatever still runs in its name fails with EIO and changes
/// nothing.
package final class Mount: Sendable {
    package let disk: SimulatedDisk
    /// From 1, in the order in which processes came.
    package let number: Int

    init(disk: SimulatedDisk, number: Int) {
        self.disk = disk
        self.number = number
    }

    package var isAlive: Bool { disk.isAlive(number) }

    /// `kill -9` of this process alone.
    package func kill() { disk.kill(number) }

    /// The journal's files on this mount.
    package var files: SimulatedFiles { SimulatedFiles(self) }

    /// The path under which SQLite finds a file of this mount, once `SimulatedVFS.install()` was called. It has a
    /// number of this process in it, so it belongs in no trace.
    /// - Parameter path: absolute, on the disk.
    package func sqlitePath(_ path: String) -> String { "\(SimulatedVFS.prefix)\(disk.number)-\(number)\(path)" }
}
