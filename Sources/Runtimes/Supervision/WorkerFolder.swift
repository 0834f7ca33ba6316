import BundledWorkers
import Crypto
package import SystemPackage

/// The Python programs of the binary as files: `workers/<hash of their content>/`, so that two versions of the platform
/// over one data folder do not overwrite each other's.
package enum WorkerFolder {
    /// Writes what is not there yet, and returns the folder's absolute path.
    package static func write(dataFolder: FilePath) throws -> String {
        var sum = Checksum()
        let workers = BundledWorkers.all()
        for worker in workers {
            Array(worker.name.utf8).withUnsafeBytes { sum.take($0) }
            worker.bytes.withUnsafeBytes { sum.take($0) }
        }
        let folder = dataFolder.appending("workers").appending(String(sum.hexadecimal().prefix(16)))
        try DataFiles.makeFolder(folder)
        for worker in workers {
            let path = folder.appending(worker.name)
            if DataFiles.size(path) == Int64(worker.bytes.count) { continue }
            try DataFiles.write(worker.bytes, to: path)
        }
        return folder.string
    }
}
