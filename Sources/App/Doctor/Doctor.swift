import Kernel

/// Judges what was found: pure, so that every case can be tested.
package enum Doctor {
    /// The tools that the packages are built with.
    static let oldestSwift = [6, 2]
    static let oldestPython = [3, 10]
    /// Below this the database and the journal soon cannot write.
    static let leastFree: Int64 = 256 << 20
    static let amplyFree: Int64 = 2 << 30
    /// Before Volery's first release: a machine that says so has lost its clock.
    static let earliestNow = Instant(microseconds: 1_767_225_600_000_000)
    static let clockStepBack = Duration.seconds(60)

    package static func rows(_ facts: MachineFacts) -> [DoctorRow] {
        [platform(facts.platform), settings(facts.settings), swift(facts.swift)] + facts.libraries.map(library)
            + [python(facts), folder(facts.folder), disk(facts), database(facts.database), journal(facts.journal)]
            + rows(facts.sealing) + facts.ports.map(port)
            + [clock(facts.clock)] + models(facts)
    }

    private static func platform(_ state: MachineFacts.PlatformState) -> DoctorRow {
        let found =
            switch state {
            case .stopped: "not running"
            case .running(let url, let pid): "running at \(url), process \(pid)"
            }
        return .ok("platform", found: found, expected: "running, or free to start with `volery serve`")
    }

    private static func settings(_ settings: MachineFacts.Settings) -> DoctorRow {
        let expected = "every setting known and in range"
        switch settings {
        case .good: return .ok("configuration", found: "good", expected: expected)
        case .bad(let problem):
            return .broken("configuration", found: problem.message, expected: expected, remedy: problem.hint)
        }
    }

    private static func swift(_ version: String?) -> DoctorRow {
        let expected = "6.2 or newer, to build Volery"
        let remedy = "install Swift from https://www.swift.org/install/linux"
        guard let version else {
            return .warning("swift", found: "not found", expected: expected, remedy: remedy)
        }
        guard isAtLeast(oldestSwift, version) else {
            return .warning("swift", found: version, expected: expected, remedy: remedy)
        }
        return .ok("swift", found: version, expected: expected)
    }

    private static func library(_ library: MachineFacts.Library) -> DoctorRow {
        let check = "library \(library.name)"
        let expected = library.use
        guard let version = library.version else {
            return .warning(
                check, found: "not found", expected: expected, remedy: "sudo apt-get install -y \(library.package)")
        }
        return .ok(check, found: version, expected: expected)
    }

    /// Without Python there are no default models, so it is needed only where these are wanted.
    private static func python(_ facts: MachineFacts) -> DoctorRow {
        let expected = "3.10 or newer with venv, to run the default models"
        let remedy = "sudo apt-get install -y python3 python3-venv"
        let found: String
        switch facts.python {
        case nil: found = "not found"
        case let python? where !isAtLeast(oldestPython, python.version): found = python.version
        case let python? where !python.makesEnvironments: found = "\(python.version) without venv"
        case let python?: return .ok("python", found: "\(python.version) with venv", expected: expected)
        }
        return facts.usesDefaultModels
            ? .broken("python", found: found, expected: expected, remedy: remedy)
            : .warning("python", found: found, expected: expected, remedy: remedy)
    }

    private static func folder(_ folder: MachineFacts.Folder) -> DoctorRow {
        let check = "data folder"
        let expected = "mode 700, owned and writable by you"
        let path = quoted(folder.path)
        switch folder.state {
        case .missing:
            return .ok(check, found: "\(folder.path) is not there yet; the first start makes it", expected: expected)
        case .noFolder:
            return .broken(
                check, found: "\(folder.path) is no folder", expected: expected,
                remedy: "volery --data-dir ANOTHER-FOLDER serve")
        case .present(let mode, let isOurs, let isWritable):
            let found = "\(folder.path), mode \(String(mode, radix: 8))"
            guard isOurs, isWritable else {
                return .broken(
                    check, found: found + (isOurs ? ", not writable" : ", owned by somebody else"),
                    expected: expected, remedy: "sudo chown -R \"$(id -un)\" \(path) && chmod 700 \(path)")
            }
            guard mode & 0o077 == 0 else {
                return .warning(
                    check, found: found + ", open to others", expected: expected, remedy: "chmod 700 \(path)")
            }
            return .ok(check, found: found, expected: expected)
        }
    }

    private static func disk(_ facts: MachineFacts) -> DoctorRow {
        let missing = facts.models.filter { facts.usesDefaultModels && !$0.areHere }.reduce(0) { $0 + $1.bytes }
        let needed = amplyFree + missing
        let expected = "\(ByteCount.text(needed)) free below the data folder"
        let remedy = "free some space, or choose another disk with --data-dir"
        guard let free = facts.freeBytes else {
            return .warning("disk", found: "unknown", expected: expected, remedy: "df -h \(quoted(facts.folder.path))")
        }
        let found = "\(ByteCount.text(free)) free"
        if free < leastFree + missing { return .broken("disk", found: found, expected: expected, remedy: remedy) }
        if free < needed { return .warning("disk", found: found, expected: expected, remedy: remedy) }
        return .ok("disk", found: found, expected: expected)
    }

    private static func database(_ state: MachineFacts.DatabaseState) -> DoctorRow {
        let expected = "opens and answers"
        switch state {
        case .absent: return .ok("database", found: "not there yet; the first start makes it", expected: expected)
        case .answers: return .ok("database", found: "answers", expected: expected)
        case .unprepared:
            return .ok(
                "database", found: "answers, but is not prepared yet; the first start does it", expected: expected)
        case .elsewhere(let place):
            return .ok("database", found: "\(place), by the running platform", expected: expected)
        case .failed(let problem):
            return .broken("database", found: problem.message, expected: expected, remedy: problem.hint)
        }
    }

    /// Judges by the files' names alone: to read them all is `volery journal verify`.
    private static func journal(_ state: MachineFacts.JournalState) -> DoctorRow {
        let expected = "no file set aside as damaged"
        switch state {
        case .absent: return .ok("journal", found: "not there yet; the first start makes it", expected: expected)
        case .present(let files, let setAside) where setAside.isEmpty:
            return .ok("journal", found: "\(files) file\(files == 1 ? "" : "s"), none set aside", expected: expected)
        case .present(_, let setAside):
            return .warning(
                "journal", found: "\(setAside.joined(separator: ", ")) set aside", expected: expected,
                remedy: "volery journal verify")
        case .failed(let problem):
            return .broken(
                "journal", found: problem.message, expected: expected,
                remedy: problem.hint)
        }
    }

    private static func port(_ port: MachineFacts.Port) -> DoctorRow {
        let check = "ports \(port.purpose)"
        let place = "\(port.host):\(port.number)"
        let expected = "\(place) free, or held by this platform"
        let setting = port.mayMove ? "VOLERY_METRICS_PORT" : "VOLERY_PORT"
        switch port.state {
        case .free: return .ok(check, found: "\(place) is free", expected: expected)
        case .ours: return .ok(check, found: "\(place) is held by this platform", expected: expected)
        case .taken where port.mayMove:
            return .warning(
                check, found: "\(place) is held by another program; the next start takes a free one",
                expected: expected, remedy: "set \(setting), or see who holds it: ss -ltnp 'sport = :\(port.number)'")
        case .taken:
            return .broken(
                check, found: "\(place) is held by another program", expected: expected,
                remedy: "volery serve --port ANOTHER, or see who holds it: ss -ltnp 'sport = :\(port.number)'")
        case .refused(let reason):
            return .broken(
                check, found: "\(place) cannot be taken: \(reason)", expected: expected,
                remedy: "set \(setting) or VOLERY_HOST to what this machine has")
        }
    }

    private static func clock(_ clock: MachineFacts.ClockReading) -> DoctorRow {
        let expected = "the right time, kept in step"
        let remedy = "sudo timedatectl set-ntp true"
        let now = clock.now.description
        if clock.now < earliestNow {
            return .broken("clock", found: "\(now), long past", expected: expected, remedy: remedy)
        }
        if let written = clock.lastWritten, clock.now + clockStepBack < written {
            return .broken(
                "clock", found: "\(now), before the data folder's last change at \(written)", expected: expected,
                remedy: remedy)
        }
        switch clock.isSynchronized {
        case true?: return .ok("clock", found: "\(now), kept in step", expected: expected)
        case false?:
            return .warning("clock", found: "\(now), not kept in step", expected: expected, remedy: remedy)
        case nil: return .ok("clock", found: now, expected: expected)
        }
    }

    private static func models(_ facts: MachineFacts) -> [DoctorRow] {
        let expected = "files here and verified"
        return facts.models.map { model in
            let check = "models \(model.name)"
            let size = ByteCount.text(model.bytes)
            if model.areHere { return .ok(check, found: "here, \(size)", expected: expected) }
            guard facts.usesDefaultModels else {
                return .ok(check, found: "not here, and not asked for", expected: expected)
            }
            return .warning(
                check, found: "not here, \(size) to fetch", expected: expected,
                remedy: "volery models pull \(model.name)")
        }
    }

    /// Compares the leading numbers of a version.
    static func isAtLeast(_ wanted: [Int], _ version: String) -> Bool {
        let parts = version.split(separator: ".").map { Int($0.prefix(while: \.isNumber)) ?? 0 }
        for (index, least) in wanted.enumerated() {
            let part = index < parts.count ? parts[index] : 0
            if part != least { return part > least }
        }
        return true
    }

    private static func quoted(_ path: String) -> String {
        path.contains(where: { !$0.isLetter && !$0.isNumber && !"/._-".contains($0) })
            ? "'" + path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'" : path
    }
}
