import NIOCore

/// Something with a time limit.
protocol Deadlined: AnyObject {
    /// When the limit is reached; `.distantFuture` while there is none.
    var deadline: NIODeadline { get }
    func deadlineReached(now: NIODeadline)
}

/// Looks after all time limits of one event loop by one timer.
///
/// A stream moves its deadline with every chunk. Here that is a store; a timer of its own for each would cost two
/// heap operations instead. The price is a coarser end: up to one interval late.
final class Sweeper {
    static let interval = TimeAmount.milliseconds(50)

    private struct Member {
        /// Members are acted on in the order in which they came: a table keyed by addresses has an order of its own in
        /// every run, and a run must be repeatable.
        let serial: UInt64
        let deadlined: any Deadlined
    }

    private var members: [ObjectIdentifier: Member] = [:]
    private var lastSerial: UInt64 = 0
    private var task: RepeatedTask?

    func add(_ member: any Deadlined) {
        lastSerial += 1
        members[ObjectIdentifier(member)] = Member(serial: lastSerial, deadlined: member)
    }

    func remove(_ member: any Deadlined) { members[ObjectIdentifier(member)] = nil }

    /// In the order in which they came.
    var all: [any Deadlined] { Self.inOrder(Array(members.values)) }

    /// - Parameter tick: called each time, after the deadlines.
    func start(on eventLoop: any EventLoop, tick: @escaping (NIODeadline) -> Void) {
        let box = NIOLoopBound((sweeper: self, tick: tick), eventLoop: eventLoop)
        task = eventLoop.scheduleRepeatedTask(initialDelay: Self.interval, delay: Self.interval) { _ in
            let now = eventLoop.now
            box.value.sweeper.sweep(now: now)
            box.value.tick(now)
        }
    }

    func stop() {
        task?.cancel()
        task = nil
    }

    private func sweep(now: NIODeadline) {
        let due = members.values.filter { $0.deadlined.deadline <= now }
        guard !due.isEmpty else { return }
        for member in Self.inOrder(due) {
            // A member that was reached may have removed others, or moved their limits.
            guard members[ObjectIdentifier(member)] != nil, member.deadline <= now else { continue }
            member.deadlineReached(now: now)
        }
    }

    private static func inOrder(_ members: [Member]) -> [any Deadlined] {
        members.sorted { $0.serial < $1.serial }.map(\.deadlined)
    }
}
