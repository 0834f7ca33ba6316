package import TestKit

/// Everything that a run of the scenario `usage` will meet, as a value: a seed makes it, and shrinking takes parts of
/// it away. Times are milliseconds of virtual time from the run's beginning.
package struct UsagePlan: Sendable, Equatable {
    package struct Client: Sendable, Equatable {
        package enum Mode: String, Sendable, CaseIterable {
            /// A connection for each request.
            case alone
            /// One connection, one request after the other.
            case kept
            /// One connection, all requests at once.
            case pipelined
        }

        package var start: Int
        package var mode: Mode
        /// Bytes that it takes in a millisecond; 0 for as many as come.
        package var pace: Int
        package var requests: [Request]
    }

    package struct Request: Sendable, Equatable {
        /// Tells the requests of a plan apart, for the upstream and for people.
        package var id: Int
        package var isStream: Bool
        package var wantsUsage: Bool
        package var isBroken = false
        package var promptBytes: Int
        /// Milliseconds after which the client hangs up.
        package var leavesAfter: Int?
        /// Sent once more, on a connection of its own, when the first one broke.
        package var asksAgain: Bool
        package var delivery = Delivery.once
        package var model: Model
        package var answer: Answer
    }

    /// What the way to the platform, a proxy's for instance, does with a request.
    package enum Delivery: String, Sendable, CaseIterable {
        case once
        /// Its connection is reset before anything of it arrives; the client asks again.
        case lost
        /// A copy of it arrives on a connection of its own; both are answered.
        case twice
    }

    package enum Model: String, Sendable, CaseIterable {
        case first, second
        /// Its endpoint refuses connections.
        case absent
    }

    /// What the upstream does with a request.
    package struct Answer: Sendable, Equatable {
        package enum End: String, Sendable, CaseIterable {
            case whole
            /// The connection breaks in the middle.
            case reset
            /// An orderly close in the middle.
            case cut
            /// Nothing more comes, and the connection stays.
            case silence
            /// Status 500 instead.
            case failure
        }

        /// Milliseconds before the head.
        package var delay: Int
        /// Events of a stream with content, or tokens of a whole answer.
        package var tokens: Int
        /// Milliseconds between two events.
        package var gap: Int
        package var end: End
        /// For an end that is not whole: events before it.
        package var endsAfter: Int
        package var tellsUsage: Bool
        package var saysDone = true
        package var keepsConnection: Bool
    }

    package struct Crash: Sendable, Equatable {
        package enum Moment: Sendable, Equatable {
            case time(Int)
            /// At so many-th operation on a file of this kind, counted over the run.
            case operation(Int, on: File)
            /// At a step of the scheduler.
            case step(Int)
        }

        package enum File: String, Sendable, CaseIterable {
            case journalWrite, journalSync, databaseWrite, databaseSync, any
        }

        package enum Place: String, Sendable, CaseIterable { case before, within, after }

        package var moment: Moment
        package var kind: DiskCrash
        package var place: Place
        /// Sixteenths of a write that take place, for a crash within one.
        package var share: Int
        package var downtime: Int
    }

    package struct DatabaseFault: Sendable, Equatable {
        package enum Kind: String, Sendable, CaseIterable {
            case away, slow
            /// COMMIT's outcome is not known: it took place.
            case unknownDone
            /// COMMIT's outcome is not known: it did not take place.
            case unknownUndone
        }

        package var kind: Kind
        package var from: Int
        package var until: Int
    }

    package struct DiskFault: Sendable, Equatable {
        package enum Kind: String, Sendable, CaseIterable { case failingSync, failingWrite, full, shortAppends }

        package var kind: Kind
        package var from: Int
        package var until: Int
    }

    package struct Cut: Sendable, Equatable {
        package var between: Between
        package var from: Int
        package var until: Int

        package enum Between: String, Sendable, CaseIterable { case clients, upstreams }
    }

    package var clients: [Client] = []
    package var crashes: [Crash] = []
    package var databaseFaults: [DatabaseFault] = []
    package var diskFaults: [DiskFault] = []
    package var cuts: [Cut] = []
    package var network = NetworkConditions()
    package var isStrict = false
    package var segmentBytes = 4096
    /// Bytes of an answer that the gateway holds for a client before it stops reading.
    package var watermark = 4096

    package init() {}
}
