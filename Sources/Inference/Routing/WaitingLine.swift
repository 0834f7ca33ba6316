import Kernel

/// Who waits for a place at a model's deployments: the higher priority first, and of equal ones who came first.
/// Bounded: where it is full, the one who came last among the lowest gives way to a higher one. Pure.
package struct WaitingLine<Waiter: Sendable>: Sendable {
    package struct Ticket: Sendable, Hashable {
        fileprivate let number: UInt64
        fileprivate let priority: RequestPriority
    }

    package enum Joined: Sendable {
        case waiting(Ticket)
        /// Somebody lower gave way, and is to be refused.
        case instead(Ticket, of: Waiter)
        case full
    }

    private let most: Int
    private var lines: [RequestPriority: [(number: UInt64, waiter: Waiter)]] = [:]
    private var last: UInt64 = 0
    package private(set) var count = 0

    package init(most: Int) { self.most = max(0, most) }

    package mutating func join(_ waiter: Waiter, _ priority: RequestPriority) -> Joined {
        guard count < most else {
            guard let lowest = RequestPriority.allCases.sorted().first(where: { lines[$0]?.isEmpty == false }),
                lowest < priority, let out = lines[lowest]?.popLast()
            else { return .full }
            count -= 1
            return .instead(add(waiter, priority), of: out.waiter)
        }
        return .waiting(add(waiter, priority))
    }

    private mutating func add(_ waiter: Waiter, _ priority: RequestPriority) -> Ticket {
        last += 1
        count += 1
        lines[priority, default: []].append((last, waiter))
        return Ticket(number: last, priority: priority)
    }

    /// Takes a place again that was left by `next`, for one who found none after all.
    package mutating func rejoin(_ waiter: Waiter, as ticket: Ticket) {
        let line = lines[ticket.priority, default: []]
        let place = line.firstIndex { $0.number > ticket.number } ?? line.endIndex
        lines[ticket.priority, default: []].insert((ticket.number, waiter), at: place)
        count += 1
    }

    package mutating func next() -> Waiter? {
        for priority in RequestPriority.allCases.sorted(by: >) where lines[priority]?.isEmpty == false {
            count -= 1
            return lines[priority]?.removeFirst().waiter
        }
        return nil
    }

    /// - Returns: whether it was waiting still.
    @discardableResult
    package mutating func leave(_ ticket: Ticket) -> Bool {
        guard let place = lines[ticket.priority]?.firstIndex(where: { $0.number == ticket.number }) else {
            return false
        }
        lines[ticket.priority]?.remove(at: place)
        count -= 1
        return true
    }

    /// Whether somebody waits who goes before a newcomer of this priority.
    package func isAhead(of priority: RequestPriority) -> Bool {
        lines.contains { $0.key >= priority && !$0.value.isEmpty }
    }
}
