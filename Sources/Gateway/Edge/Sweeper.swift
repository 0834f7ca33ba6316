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

    private var members: [ObjectIdentifier: any Deadlined] = [:]
    private var task: RepeatedTask?

    func add(_ member: any Deadlined) { members[ObjectIdentifier(member)] = member }

    func remove(_ member: any Deadlined) { members[ObjectIdentifier(member)] = nil }

    var all: [any Deadlined] { Array(members.values) }

    /// - Parameter tick: called each time, after the deadlines.
    func start(on eventLoop: any EventLoop, tick: @escaping (NIODeadline) -> Void) {
        let box = NIOLoopBound((sweeper: self, tick: tick), eventLoop: eventLoop)
        task = eventLoop.scheduleRepeatedTask(initialDelay: Self.interval, delay: Self.interval) { _ in
            box.value.sweeper.sweep(now: .now())
            box.value.tick(.now())
        }
    }

    func stop() {
        task?.cancel()
        task = nil
    }

    private func sweep(now: NIODeadline) {
        // A member that is reached may remove itself or others.
        for member in members.values where member.deadline <= now { member.deadlineReached(now: now) }
    }
}
