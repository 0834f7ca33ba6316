import CSupport
package import Fleet
package import Kernel
import PostgresEngine

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Looks at the machine for `MachineFacts`. Changes nothing, and waits for no answer longer than `limit`.
package struct MachineProbe: Sendable {
    private let driver: any RuntimeDriver
    private let clock: any Clock
    /// For one outside command; a first `swift --version` on a cold disk takes seconds.
    private let limit: Duration

    package init(driver: any RuntimeDriver, clock: any Clock, limit: Duration = .seconds(20)) {
        self.driver = driver
        self.clock = clock
        self.limit = limit
    }

    package func swiftVersion() async -> String? {
        guard let lines = await output("swift", "--version") else { return nil }
        return lines.lazy.compactMap { Self.number(after: "Swift version ", in: $0) }.first
    }

    /// - Parameter usesPostgres: whether libpq is asked for too, which loads it.
    package func libraries(usesPostgres: Bool) async -> [MachineFacts.Library] {
        var found: [MachineFacts.Library] = []
        for (name, package) in [("sqlite3", "libsqlite3-dev"), ("libargon2", "libargon2-dev")] {
            let version = await output("pkg-config", "--modversion", name)?.first
            found.append(MachineFacts.Library(name: name, package: package, version: version))
        }
        if usesPostgres {
            found.append(
                MachineFacts.Library(
                    name: "libpq", package: "libpq5", version: PostgresLibrary.version,
                    use: "any version, to use PostgreSQL"))
        }
        return found
    }

    package func python() async -> MachineFacts.Python? {
        guard let line = await output("python3", "--version")?.first,
            let version = Self.number(after: "Python ", in: line)
        else { return nil }
        let makesEnvironments = await output("python3", "-c", "import venv, ensurepip") != nil
        return MachineFacts.Python(version: version, makesEnvironments: makesEnvironments)
    }

    package func folder(_ path: String) -> MachineFacts.Folder {
        var facts = stat()
        guard stat(path, &facts) == 0 else { return MachineFacts.Folder(path: path, state: .missing) }
        guard facts.st_mode & S_IFMT == S_IFDIR else { return MachineFacts.Folder(path: path, state: .noFolder) }
        let state = MachineFacts.Folder.State.present(
            mode: UInt32(facts.st_mode) & 0o7777, isOurs: facts.st_uid == geteuid(),
            isWritable: access(path, W_OK | X_OK) == 0)
        return MachineFacts.Folder(path: path, state: state)
    }

    /// Of the disk that holds the folder, or will hold it once it is made.
    package func freeBytes(below path: String) -> Int64? {
        var path = path
        var facts = statvfs()
        while statvfs(path, &facts) != 0 {
            guard errno == ENOENT, let slash = path.lastIndex(of: "/"), path != "/" else { return nil }
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
        return Int64(clamping: UInt64(facts.f_bavail) &* UInt64(facts.f_frsize))
    }

    package func clockReading(writtenIn folder: String) -> MachineFacts.ClockReading {
        let answer = volery_clock_is_synchronized()
        var facts = stat()
        var written: Instant?
        if stat(folder, &facts) == 0 {
            #if canImport(Glibc)
                written = Instant(microseconds: Int64(facts.st_mtim.tv_sec) * 1_000_000)
            #else
                written = Instant(microseconds: Int64(facts.st_mtimespec.tv_sec) * 1_000_000)
            #endif
        }
        return MachineFacts.ClockReading(
            now: clock.now, isSynchronized: answer < 0 ? nil : answer == 1, lastWritten: written)
    }

    /// The lines of a command that ended well; nil when it is missing, fails or takes too long.
    private func output(_ program: String, _ arguments: String...) async -> [String]? {
        let launch = Launch(
            name: program, program: program, arguments: arguments, stopGrace: .milliseconds(200))
        let end = try? await driver.run(launch, lines: { _ in }) { [clock, limit] _ in
            try await clock.sleep(for: limit)
            return "it took too long"
        }
        guard case .exited(status: 0, let lines)? = end else { return nil }
        return lines
    }

    static func number(after words: String, in line: String) -> String? {
        guard let start = line.firstRange(of: words)?.upperBound else { return nil }
        let number = line[start...].prefix { $0.isNumber || $0 == "." }
        return number.isEmpty ? nil : String(number)
    }
}
