import FoundationEssentials
package import Kernel

/// `platform.json`: how the command line finds the platform that serves the folder. Worth nothing once the folder's
/// lock is free.
package struct PlatformFile: Sendable, Codable, Equatable {
    package let pid: Int32
    /// Base URL without a path.
    package let url: String
    package let metricsURL: String?
    package let version: String
    package let started: Instant
    /// Where the database is, for people; never with a password. Nil in the file of an older version.
    package let database: String?
    /// Where the command line reaches it, when that is not the port that callers see.
    package let control: String?

    package init(
        pid: Int32, url: String, metricsURL: String?, version: String, started: Instant, database: String? = nil,
        control: String? = nil
    ) {
        self.pid = pid
        self.url = url
        self.metricsURL = metricsURL
        self.version = version
        self.started = started
        self.database = database
        self.control = control
    }

    private enum CodingKeys: String, CodingKey {
        case pid, url, metricsURL = "metrics_url", version, started, database, control
    }

    /// Base URL for the command line.
    package var controlURL: String { control ?? url }

    /// The URL of a socket in the file system.
    package static func url(socket path: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        let host = path.utf8.flatMap { byte -> [UInt8] in
            let isPlain = (0x30...0x39) ~= byte || (0x41...0x5A) ~= byte || (0x61...0x7A) ~= byte
            return isPlain ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return "http+unix://" + String(decoding: host, as: UTF8.self)
    }

    /// Nil when there is none that can be read.
    package static func read(in folder: DataFolder) throws(Problem) -> PlatformFile? {
        guard let text = try DataFolder.read(folder.platformFile) else { return nil }
        return try? JSONDecoder().decode(PlatformFile.self, from: Data(text.utf8))
    }

    package func write(in folder: DataFolder) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        let text = String(decoding: try encoder.encode(self), as: UTF8.self)
        try DataFolder.write(text, to: folder.platformFile)
    }

    /// The URL under which a listener is reached from this machine.
    package static func url(host: String, port: Int, isTLS: Bool = false) -> String {
        let scheme = isTLS ? "https" : "http"
        return switch host {
        case "0.0.0.0": "\(scheme)://127.0.0.1:\(port)"
        case "::": "\(scheme)://[::1]:\(port)"
        default: host.contains(":") ? "\(scheme)://[\(host)]:\(port)" : "\(scheme)://\(host):\(port)"
        }
    }
}
