import Inference
import Kernel
import NIOCore

/// A connection whose bytes wait for the journal.
protocol HeldBack: AnyObject {
    func sendHeldBack()
}

/// What one event loop does between two looks at its sockets.
///
/// Under load a turn serves many requests. Their records go to the journal's file in one write at its end, and what
/// they stand before goes out behind it: calls, and ends of answers. Nothing waits for a clock: with one request in a
/// turn its record is written at once, as it were.
final class LoopTurn {
    /// So many connections wait at most: the first of them should not wait for all that a busy loop has to do.
    static let mostHeldBack = 16

    private let eventLoop: any EventLoop
    private let journal: any UsageJournal
    private let clock: any Clock
    private var heldBack: [any HeldBack] = []
    /// Empty but while they are sent: both keep their room.
    private var sending: [any HeldBack] = []
    /// Whether something was noted that is not written.
    private var hasNotes = false
    private var isEndAwaited = false
    private var isReading = false
    private var knownNow: NIODeadline?
    private var knownUptime: Duration?

    init(eventLoop: any EventLoop, journal: any UsageJournal, clock: any Clock) {
        self.eventLoop = eventLoop
        self.journal = journal
        self.clock = clock
        heldBack.reserveCapacity(Self.mostHeldBack)
    }

    /// Called behind every record that was noted: nothing is sent before it is written.
    func didNote() {
        hasNotes = true
        guard !isEndAwaited else { return }
        isEndAwaited = true
        // Behind everything that this turn's sockets have brought.
        eventLoop.assumeIsolated().execute { self.end() }
    }

    /// - Returns: whether the connection may send now; else it is told when.
    func maySend(_ connection: some HeldBack) -> Bool {
        guard hasNotes else { return true }
        heldBack.append(connection)
        return false
    }

    /// Called before a connection handles what it has read, where nothing is half done; paired with `endRead`.
    func beginRead() {
        if heldBack.count >= Self.mostHeldBack { send() }
        isReading = true
    }

    func endRead() {
        isReading = false
        (knownNow, knownUptime) = (nil, nil)
    }

    // MARK: Time

    /// By the loop's clock, which is looked at once for all that is done for one read: a request asks it ten times.
    var now: NIODeadline {
        if let knownNow { return knownNow }
        let now = eventLoop.now
        if isReading { knownNow = now }
        return now
    }

    /// The same by the platform's monotonic clock.
    var uptime: Duration {
        if let knownUptime { return knownUptime }
        let uptime = clock.uptime
        if isReading { knownUptime = uptime }
        return uptime
    }

    // MARK: Sending

    /// Writes what was noted. For whoever cannot wait for the end.
    func commit() {
        guard hasNotes else { return }
        hasNotes = false
        journal.commit()
    }

    private func end() {
        isEndAwaited = false
        send()
    }

    private func send() {
        commit()
        // Sending may end requests, whose records are noted, and whose bytes wait for the next time.
        swap(&heldBack, &sending)
        for place in sending.indices { sending[place].sendHeldBack() }
        sending.removeAll(keepingCapacity: true)
    }
}
