/// Something that happens at a time unless it is cancelled before.
package final class SimulatedTimer {
    let process: SimulatedProcess
    private var action: (() -> Void)?

    init(process: SimulatedProcess, action: @escaping () -> Void) {
        self.process = process
        self.action = action
    }

    package func cancel() { action = nil }

    func fire() {
        let action = action
        self.action = nil
        action?()
    }

    var isCancelled: Bool { action == nil }
}

/// The timers, soonest first. Those of one moment are ordered by a number that the seed chose, then by age.
struct TimerHeap {
    private struct Entry {
        let deadline: Int64
        let tie: UInt64
        let serial: UInt64
        let timer: SimulatedTimer

        static func < (left: Entry, right: Entry) -> Bool {
            (left.deadline, left.tie, left.serial) < (right.deadline, right.tie, right.serial)
        }
    }

    private var entries: [Entry] = []
    private var serial: UInt64 = 0

    var nextDeadline: Int64? { entries.first?.deadline }

    mutating func insert(_ timer: SimulatedTimer, at deadline: Int64, tie: UInt64) {
        serial += 1
        entries.append(Entry(deadline: deadline, tie: tie, serial: serial, timer: timer))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child] < entries[parent] else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func popFirst() -> SimulatedTimer? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first.timer }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
                if entries[child] < entries[least] { least = child }
            }
            if least == parent { return first.timer }
            entries.swapAt(parent, least)
            parent = least
        }
    }

    mutating func removeAll() { entries.removeAll() }
}
