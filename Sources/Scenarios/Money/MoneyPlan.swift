package import TestKit

/// Everything that a run of the scenario `money` will meet, as a value. Times are milliseconds of virtual time from the
/// moment at which the nodes start.
package struct MoneyPlan: Sendable, Equatable {
    /// A node's clocks.
    package struct Node: Sendable, Equatable {
        /// Of the wall clock, from the beginning on.
        package var offset = 0
        /// Of the monotonic clock, in millionths.
        package var drift = 0
    }

    /// A workspace, and how it pays.
    package struct Place: Sendable, Equatable {
        package enum Wallet: String, Sendable, CaseIterable { case none, postpaid, prepaid }

        package var wallet = Wallet.none
        package var grants: [Grant] = []
    }

    package struct Grant: Sendable, Equatable {
        /// Units of USD.
        package var amount: Int64
        package var priority: Int
        package var ends: Int?
    }

    package struct Bound: Sendable, Equatable {
        package enum Period: String, Sendable, CaseIterable { case total, hour, rolling }
        package enum Counted: String, Sendable, CaseIterable { case money, tokens, requests }

        /// Nil for all workspaces together.
        package var place: Int?
        package var counted: Counted
        package var period: Period
        package var isHard: Bool
        package var amount: Int64
    }

    package struct Limit: Sendable, Equatable {
        package enum Quantity: String, Sendable, CaseIterable { case requests, tokens, concurrency }

        package var place: Int
        package var quantity: Quantity
        package var amount: Int64
    }

    package struct Request: Sendable, Equatable {
        package enum End: String, Sendable, CaseIterable {
            case whole
            /// The client hangs up in the middle.
            case left
            /// The upstream fails before anything comes.
            case failed
            /// The upstream breaks off in the middle.
            case truncated
            /// Nobody tells what was used; it is estimated.
            case untold
            /// The gateway finds no place for it after it was admitted: nothing is begun.
            case unopened
        }

        package var id: Int
        package var node: Int
        package var place: Int
        package var model: Model
        package var at: Int
        package var prompt: Int
        package var cached: Int
        package var cap: Int
        /// What the upstream says; more than `cap` where it ignores that.
        package var output: Int
        package var reasoning: Int
        package var duration: Int
        package var end: End
        /// For how long the client waits to be admitted.
        package var patience: Int?
    }

    package enum Model: String, Sendable, CaseIterable {
        case first, second
        /// The first book has no price of it.
        case absent
    }

    package struct Crash: Sendable, Equatable {
        package enum Moment: Sendable, Equatable {
            case time(Int)
            /// At so many-th operation of the node's disk.
            case operation(Int)
        }

        package var node: Int
        package var moment: Moment
        package var kind: DiskCrash
        package var place: UsagePlan.Crash.Place
        /// Sixteenths of a write that take place, for a crash within one.
        package var share: Int
        /// Nil for one that is lost with its disk.
        package var downtime: Int?
    }

    /// What is between a node and the database.
    package struct Fault: Sendable, Equatable {
        package enum Kind: String, Sendable, CaseIterable {
            case away, slow
            /// COMMIT's outcome is not known: it took place.
            case unknownDone
            /// COMMIT's outcome is not known: it did not take place.
            case unknownUndone
            /// COMMIT's outcome is not known: it takes place a while later.
            case late
        }

        package var node: Int
        package var kind: Kind
        package var from: Int
        package var until: Int
    }

    package struct ServerCrash: Sendable, Equatable {
        package var at: Int
        package var kind: DiskCrash
        package var downtime: Int
    }

    /// A step of a node's wall clock.
    package struct Step: Sendable, Equatable {
        package var node: Int
        package var at: Int
        package var seconds: Int
    }

    /// A node is stopped in an orderly way, and started again.
    package struct Drain: Sendable, Equatable {
        package var node: Int
        package var at: Int
        package var downtime: Int
    }

    package var nodes: [Node] = []
    package var places: [Place] = []
    package var bounds: [Bound] = []
    package var limits: [Limit] = []
    package var requests: [Request] = []
    package var crashes: [Crash] = []
    package var faults: [Fault] = []
    package var serverCrashes: [ServerCrash] = []
    package var steps: [Step] = []
    package var drains: [Drain] = []
    /// Thousandths of a unit for a token, of the first book's input and output, and the second's.
    package var prices: [Int64] = [1, 1, 1, 1]
    /// When the second book comes into force.
    package var changeover: Int?
    /// When an hour ends, by the database's clock.
    package var hourEnds = 1000
    package var isStrict = false
    package var segmentBytes = 4096

    package init() {}

    var isLossy: Bool { crashes.contains { $0.downtime == nil } }
}
