package import Database
import Dispatch
import Foundation
package import Kernel
package import Logging
import Metrics
import Synchronization

/// Wake-ups between all nodes of one database, by LISTEN and NOTIFY.
///
/// NOTIFY takes a lock of the whole cluster when its transaction commits, so it is never part of anybody's: it has a
/// connection of its own, and says each topic at most once in `interval`. LISTEN has another connection, which blocks
/// on the socket. Both connections are made when they are first needed, and again whenever they are lost; since
/// something may have been missed then, everybody is woken.
package final class PostgresWakeUps: WakeUps {
    private struct State {
        var pending: Set<Topic> = []
        var notifies = false
        var listens = false
        var isClosed = false
    }

    private static let interval: Duration = .milliseconds(5)

    private let local = LocalWakeUps()
    private let connect: @Sendable () throws(SessionFailure) -> PostgresConnection
    private let clock: any Clock
    private let random: any RandomSource
    private let logger: Logger
    private let bell: Bell?
    private let state = Mutex(State())
    private let sends = DispatchSemaphore(value: 0)
    private let reconnects = Counter(label: "volery_postgres_wakeup_reconnects_total")
    private let sent = Counter(label: "volery_postgres_wakeups_sent_total")

    package init(
        _ location: PostgresLocation, clock: any Clock, random: any RandomSource, logger: Logger,
        limits: PostgresDatabase.Limits = PostgresDatabase.Limits()
    ) {
        self.clock = clock
        self.random = random
        self.logger = logger
        bell = Bell()
        connect = { () throws(SessionFailure) in
            try PostgresConnection(
                location, settings: SessionKind.system.settings(limits), connectTimeout: limits.connecting,
                statementLimit: limits.statement, statements: 8, clock: clock)
        }
    }

    /// Wakes this process at once, and the others soon.
    package func wake(_ topic: Topic) {
        local.wake(topic)
        let startsThread: Bool? = state.withLock { state in
            guard !state.isClosed, state.pending.insert(topic).inserted else { return nil }
            defer { state.notifies = true }
            return !state.notifies
        }
        guard let startsThread else { return }
        if startsThread { Thread.detachNewThread { [self] in notify() } }
        sends.signal()
    }

    package func wakeUps(on topic: Topic) -> AsyncStream<Void> {
        let stream = local.wakeUps(on: topic)
        let startsThread = state.withLock { state in
            defer { state.listens = true }
            return !state.listens && !state.isClosed
        }
        if startsThread { Thread.detachNewThread { [self] in listen() } }
        bell?.ring()
        return stream
    }

    /// Ends every stream, both threads and both connections.
    package func close() {
        state.withLock { $0.isClosed = true }
        local.close()
        sends.signal()
        bell?.ring()
    }

    private var isClosed: Bool { state.withLock { $0.isClosed } }

    // MARK: - Saying

    private func notify() {
        var connection: PostgresConnection?
        while true {
            sends.wait()
            if isClosed { return }
            let topics = state.withLock { state in
                defer { state.pending = [] }
                return state.pending
            }
            for topic in topics { say(topic, on: &connection) }
            // What comes meanwhile is said once, after it.
            pause(Self.interval)
        }
    }

    private func say(_ topic: Topic, on connection: inout PostgresConnection?) {
        var tries = 0
        while !isClosed {
            guard let current = connection ?? reconnected(&tries) else { continue }
            connection = current
            do throws(SessionFailure) {
                guard current.stands() else { throw .lost("the connection was lost") }
                _ = try current.query("SELECT pg_notify($1, '')", [.text(topic.channel)])
                return sent.increment()
            } catch {
                connection = nil
                backOff(&tries, after: error)
            }
        }
    }

    // MARK: - Hearing

    private func listen() {
        var tries = 0
        while !isClosed {
            guard let connection = reconnected(&tries) else { continue }
            do throws(SessionFailure) {
                try hear(on: connection, &tries)
            } catch {
                reconnects.increment()
                backOff(&tries, after: error)
            }
        }
    }

    private func hear(on connection: PostgresConnection, _ tries: inout Int) throws(SessionFailure) {
        var heard: Set<Topic> = []
        while !isClosed {
            let wanted = local.topics
            for topic in heard.subtracting(wanted) {
                try connection.command("UNLISTEN " + connection.quoted(topic.channel))
            }
            for topic in wanted.subtracting(heard) {
                try connection.command("LISTEN " + connection.quoted(topic.channel))
                // What was said before is not heard any more.
                local.wake(topic)
            }
            heard = wanted
            // Only now: a server that takes connections may still refuse to listen.
            tries = 0
            let channels = Set(try connection.notifications().map(\.channel))
            for topic in heard where channels.contains(topic.channel) { local.wake(topic) }
            guard let bell else {
                // Without a pipe it looks from time to time.
                pause(.milliseconds(200))
                continue
            }
            if bell.wait(orFor: connection.descriptor, atMost: .seconds(30)) == .time {
                try connection.command("", within: .seconds(5))
            }
        }
    }

    private func reconnected(_ tries: inout Int) -> PostgresConnection? {
        do {
            return try connect()
        } catch {
            backOff(&tries, after: error)
            return nil
        }
    }

    /// Between half and all of 20, 40, 80 … 640 milliseconds. Said once, until something works again.
    private func backOff(_ tries: inout Int, after failure: SessionFailure) {
        if isClosed { return }
        if tries == 0 {
            logger.error("wake-ups between nodes do not work", metadata: ["error": "\(failure.failure)"])
        }
        tries += 1
        let longest: UInt64 = 10_000 << UInt64(min(tries, 6))
        pause(.microseconds(Int64(longest / 2 + random.next(below: longest / 2))))
    }

    private func pause(_ duration: Duration) { Thread.sleep(forTimeInterval: duration.seconds) }
}

extension Topic {
    fileprivate var channel: String { "volery_" + name }
}
