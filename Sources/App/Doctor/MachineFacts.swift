package import Kernel

/// What `volery doctor` found out about the machine and the data folder; `Doctor` judges it.
package struct MachineFacts: Sendable, Equatable {
    /// The first line of `swift --version`'s number, such as `6.3.1`; nil when there is no Swift.
    package var swift: String?
    package var libraries: [Library]
    package var python: Python?
    package var settings: Settings
    package var folder: Folder
    /// Bytes that an ordinary user may still write below the data folder; nil when the disk does not say.
    package var freeBytes: Int64?
    package var ports: [Port]
    package var clock: ClockReading
    package var models: [ModelFiles]
    /// Whether `serve` would start the default models.
    package var usesDefaultModels: Bool
    package var database: DatabaseState
    package var journal: JournalState
    package var sealing = Sealing()
    package var platform: PlatformState

    package struct Library: Sendable, Equatable {
        package let name: String
        /// Debian's.
        package let package: String
        package let version: String?
        /// What is expected, and for what.
        package let use: String

        package init(
            name: String, package: String, version: String?,
            use: String = "any version, with its headers, to build Volery"
        ) {
            self.name = name
            self.package = package
            self.version = version
            self.use = use
        }
    }

    package struct Python: Sendable, Equatable {
        package let version: String
        /// Whether it can make virtual environments that have pip.
        package let makesEnvironments: Bool

        package init(version: String, makesEnvironments: Bool) {
            self.version = version
            self.makesEnvironments = makesEnvironments
        }
    }

    package enum Settings: Sendable, Equatable {
        case good
        case bad(Problem)
    }

    package struct Folder: Sendable, Equatable {
        package enum State: Sendable, Equatable {
            case missing
            /// - Parameter mode: the permission bits.
            case present(mode: UInt32, isOurs: Bool, isWritable: Bool)
            case noFolder
        }

        package let path: String
        package let state: State

        package init(path: String, state: State) {
            self.path = path
            self.state = state
        }
    }

    package struct Port: Sendable, Equatable {
        package enum State: Sendable, Equatable {
            case free
            /// The running platform of this data folder has it.
            case ours
            case taken
            case refused(String)
        }

        package let purpose: String
        package let host: String
        package let number: Int
        package let state: State
        /// Whether another port is taken by itself when this one is busy.
        package let mayMove: Bool

        package init(purpose: String, host: String, number: Int, state: State, mayMove: Bool) {
            self.purpose = purpose
            self.host = host
            self.number = number
            self.state = state
            self.mayMove = mayMove
        }
    }

    package struct ClockReading: Sendable, Equatable {
        package let now: Instant
        /// Whether something keeps it in step; nil when the system does not say.
        package let isSynchronized: Bool?
        /// When the data folder was last written to.
        package let lastWritten: Instant?

        package init(now: Instant, isSynchronized: Bool?, lastWritten: Instant?) {
            self.now = now
            self.isSynchronized = isSynchronized
            self.lastWritten = lastWritten
        }
    }

    package struct ModelFiles: Sendable, Equatable {
        package let name: String
        package let bytes: Int64
        package let areHere: Bool

        package init(name: String, bytes: Int64, areHere: Bool) {
            self.name = name
            self.bytes = bytes
            self.areHere = areHere
        }
    }

    package enum DatabaseState: Sendable, Equatable {
        case absent
        case answers
        /// The server answers, and lacks what the first start makes there.
        case unprepared
        /// The running platform has another one than this command was told of; in words.
        case elsewhere(String)
        case failed(Problem)
    }

    package enum JournalState: Sendable, Equatable {
        case absent
        /// - Parameter setAside: names of the files that a start found damaged.
        case present(files: Int, setAside: [String])
        case failed(Problem)
    }

    package enum PlatformState: Sendable, Equatable {
        case stopped
        case running(url: String, pid: Int32)
    }

    package init(
        swift: String?, libraries: [Library], python: Python?, settings: Settings, folder: Folder, freeBytes: Int64?,
        ports: [Port], clock: ClockReading, models: [ModelFiles], usesDefaultModels: Bool, database: DatabaseState,
        journal: JournalState, platform: PlatformState
    ) {
        self.swift = swift
        self.libraries = libraries
        self.python = python
        self.settings = settings
        self.folder = folder
        self.freeBytes = freeBytes
        self.ports = ports
        self.clock = clock
        self.models = models
        self.usesDefaultModels = usesDefaultModels
        self.database = database
        self.journal = journal
        self.platform = platform
    }
}
