import App
import Kernel
import Testing

@Suite("doctor")
struct DoctorTests {
    /// A machine on which nothing is to mend.
    private var well: MachineFacts {
        MachineFacts(
            swift: "6.3.1",
            libraries: [.init(name: "sqlite3", package: "libsqlite3-dev", version: "3.40.1")],
            python: .init(version: "3.11.7", makesEnvironments: true), settings: .good,
            folder: .init(path: "/data", state: .present(mode: 0o700, isOurs: true, isWritable: true)),
            freeBytes: 10 << 30,
            ports: [.init(purpose: "API", host: "127.0.0.1", number: 8080, state: .free, mayMove: false)],
            clock: .init(now: noon, isSynchronized: true, lastWritten: nil),
            models: [.init(name: "smollm2", bytes: 100_000_000, areHere: true)], usesDefaultModels: true,
            database: .answers, journal: .present(files: 1, setAside: []), platform: .stopped)
    }

    private let noon = Instant(microseconds: 1_795_262_400_000_000)

    private func row(_ check: String, _ change: (inout MachineFacts) -> Void) throws -> DoctorRow {
        var facts = well
        change(&facts)
        return try #require(Doctor.rows(facts).first { $0.check == check })
    }

    @Test("a good machine has only good rows, and no remedy")
    func good() {
        let rows = Doctor.rows(well)
        #expect(rows.allSatisfy { $0.status == .ok && $0.remedy == nil })
        #expect(
            Set(rows.map { $0.check.split(separator: " ")[0] }).isSuperset(of: ["disk", "ports", "clock", "models"]))
    }

    @Test("every row that is not good says what was found, what is expected and what mends it")
    func complete() {
        var facts = well
        facts.swift = nil
        facts.libraries = [.init(name: "sqlite3", package: "libsqlite3-dev", version: nil)]
        facts.python = nil
        facts.settings = .bad(Problem(.configurationInvalid))
        facts.folder = .init(path: "/data", state: .noFolder)
        facts.freeBytes = 1
        facts.ports = [.init(purpose: "API", host: "h", number: 1, state: .taken, mayMove: false)]
        facts.clock = .init(now: Instant(microseconds: 0), isSynchronized: false, lastWritten: nil)
        facts.models = [.init(name: "smollm2", bytes: 1, areHere: false)]
        facts.database = .failed(Problem(.storageUnavailable))
        facts.journal = .present(files: 2, setAside: ["00000008.vj.damaged"])
        facts.sealing.masterKey = .failed(Problem(.configurationInvalid))
        facts.sealing.secrets = nil
        facts.sealing.anchors = .faulty(["It is gone."])
        facts.sealing.certificate = .valid(left: .seconds(60))
        let rows = Doctor.rows(facts).filter { $0.check != "platform" }
        for row in rows {
            #expect(row.status != .ok, "\(row.check)")
            #expect(!row.found.isEmpty && !row.expected.isEmpty && row.remedy?.isEmpty == false, "\(row.check)")
        }
    }

    @Test(
        "Swift counts by its numbers, not by its text",
        arguments: [("6.2", true), ("6.10.1", true), ("7", true), ("6.1.9", false), ("5.10", false), ("junk", false)])
    func swiftVersion(version: String, isGood: Bool) throws {
        #expect(try row("swift") { $0.swift = version }.status == (isGood ? .ok : .warning))
    }

    @Test("a database that is not prepared, or is the running platform's own, is no fault")
    func databases() throws {
        let unprepared = try row("database") { $0.database = .unprepared }
        #expect(unprepared.status == .ok)
        #expect(unprepared.found.contains("not prepared yet"))
        let elsewhere = try row("database") { $0.database = .elsewhere("PostgreSQL at h:1/d") }
        #expect(elsewhere.status == .ok && elsewhere.found == "PostgreSQL at h:1/d, by the running platform")
    }

    @Test("a file of the journal that was set aside is named, with the command that looks into it")
    func journal() throws {
        let row = try row("journal") { $0.journal = .present(files: 3, setAside: ["00000008.vj.damaged"]) }
        #expect(row.status == .warning && row.found == "00000008.vj.damaged set aside")
        #expect(row.remedy == "volery journal verify")
        #expect(try self.row("journal") { $0.journal = .absent }.status == .ok)
        #expect(try self.row("journal") { $0.journal = .present(files: 3, setAside: []) }.status == .ok)
    }

    @Test("missing Python is broken only where the default models are wanted")
    func python() throws {
        #expect(try row("python") { $0.python = nil }.status == .broken)
        #expect(
            try row("python") {
                $0.python = nil
                $0.usesDefaultModels = false
            }.status == .warning)
        #expect(
            try row("python") { $0.python = .init(version: "3.12.1", makesEnvironments: false) }.remedy?
                .contains("python3-venv") == true)
    }

    @Test(
        "the data folder must be ours, writable and closed to others",
        arguments: [
            (MachineFacts.Folder.State.missing, DoctorRow.Status.ok),
            (.present(mode: 0o700, isOurs: true, isWritable: true), .ok),
            (.present(mode: 0o755, isOurs: true, isWritable: true), .warning),
            (.present(mode: 0o700, isOurs: false, isWritable: true), .broken),
            (.present(mode: 0o500, isOurs: true, isWritable: false), .broken),
            (.noFolder, .broken),
        ])
    func folder(state: MachineFacts.Folder.State, status: DoctorRow.Status) throws {
        #expect(try row("data folder") { $0.folder = .init(path: "/data", state: state) }.status == status)
    }

    @Test("a remedy can be pasted although the folder's name has spaces and quotes")
    func quoting() throws {
        let row = try row("data folder") {
            $0.folder = .init(path: "/my 'data'", state: .present(mode: 0o755, isOurs: true, isWritable: true))
        }
        #expect(row.remedy == #"chmod 700 '/my '\''data'\'''"#)
    }

    @Test("the disk must hold what is still to be fetched")
    func disk() throws {
        let absent = [MachineFacts.ModelFiles(name: "big", bytes: 5 << 30, areHere: false)]
        #expect(try row("disk") { $0.freeBytes = 3 << 30 }.status == .ok)
        #expect(
            try row("disk") {
                $0.freeBytes = 3 << 30
                $0.models = absent
            }.status == .broken)
        #expect(
            try row("disk") {
                $0.freeBytes = 3 << 30
                $0.models = absent
                $0.usesDefaultModels = false
            }.status == .ok)
        #expect(try row("disk") { $0.freeBytes = 1 << 30 }.status == .warning)
        #expect(try row("disk") { $0.freeBytes = nil }.status == .warning)
    }

    @Test("a taken port is broken, unless it is ours or another one would do")
    func ports() throws {
        func status(_ state: MachineFacts.Port.State, mayMove: Bool) throws -> DoctorRow.Status {
            try row("ports API") {
                $0.ports = [.init(purpose: "API", host: "::1", number: 80, state: state, mayMove: mayMove)]
            }.status
        }
        #expect(try status(.free, mayMove: false) == .ok)
        #expect(try status(.ours, mayMove: false) == .ok)
        #expect(try status(.taken, mayMove: false) == .broken)
        #expect(try status(.taken, mayMove: true) == .warning)
        #expect(try status(.refused("permission denied"), mayMove: false) == .broken)
    }

    @Test("a clock that went back behind the data is broken, one that nobody keeps is a warning")
    func clock() throws {
        func status(_ now: Instant, _ isSynchronized: Bool?, _ written: Instant?) throws -> DoctorRow.Status {
            try row("clock") { $0.clock = .init(now: now, isSynchronized: isSynchronized, lastWritten: written) }.status
        }
        #expect(try status(noon, true, noon + .seconds(30)) == .ok)
        #expect(try status(noon, true, noon + .seconds(61)) == .broken)
        #expect(try status(noon, false, nil) == .warning)
        #expect(try status(noon, nil, nil) == .ok)
        #expect(try status(Instant(microseconds: 0), true, nil) == .broken)
    }

    @Test(
        "bytes are shown in powers of ten and never as 1000 of a unit",
        arguments: [
            (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (98_436_211, "98.4 MB"), (999_960, "1.0 MB"),
            (999_949_999, "999.9 MB"), (Int64.max, "9.2 EB"),
        ] as [(Int64, String)])
    func bytes(count: Int64, text: String) {
        #expect(ByteCount.text(count) == text)
    }
}
