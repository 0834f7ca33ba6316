package import Inference
package import Kernel
package import Logging
import Metrics

/// Carries the journal's records to where they are settled and stored. It remembers nothing: after a restart it ships
/// what files are left, and a record that is a row already changes nothing.
package struct JournalShipper: Sendable {
    package struct Limits: Sendable {
        /// How often the journal is looked at.
        package var interval: Duration = .milliseconds(200)
        /// Records in one transaction.
        package var batch = 1000
        /// On a busy platform so many are waited for: a large transaction writes fewer pages for each of them. More of
        /// them would take more memory, for little.
        package var gathered = 500
        /// No longer than this, where it is longer than the interval.
        package var gathering: Duration = .seconds(1)
        /// The longest pause between tries while the store is away.
        package var longestPause: Duration = .seconds(5)

        package init() {}
    }

    private let journal: SegmentedJournal
    private let store: any UsageSink
    private let clock: any Clock
    private let random: any RandomSource
    private let logger: Logger
    private let limits: Limits

    package init(
        journal: SegmentedJournal, store: any UsageSink, clock: any Clock, random: any RandomSource, logger: Logger,
        limits: Limits = Limits()
    ) {
        self.journal = journal
        self.store = store
        self.clock = clock
        self.random = random
        self.logger = logger
        self.limits = limits
    }

    /// Ships until the task is cancelled, and then returns. Follow it with `drain`.
    package func run() async {
        var failures = 0
        while !Task.isCancelled {
            var pause = limits.interval
            do {
                try await shipAll()
                if failures > 0 { logger.notice("usage is stored again", metadata: ["failures": "\(failures)"]) }
                failures = 0
            } catch is CancellationError {
                return
            } catch {
                failures += 1
                pause = self.pause(after: failures)
                journal.metrics.shipErrors.increment()
                logger.error(
                    "usage cannot be stored now; the journal keeps it",
                    metadata: ["error": "\(error)", "lag": "\(journal.lag)", "next_try_in": "\(pause)"])
            }
            do {
                try await clock.sleep(for: pause)
                if failures == 0 { try await gather(since: pause) }
            } catch {
                return
            }
        }
    }

    /// Waits on while what has come since the last pass, which was so long ago, is much, grows and is not yet enough.
    private func gather(since pause: Duration) async throws {
        var waited = pause
        var before = 0
        while waited + limits.interval <= limits.gathering,
            case let lag = journal.lag, (limits.gathered / 10..<limits.gathered).contains(lag), lag > before
        {
            try await clock.sleep(for: limits.interval)
            waited += limits.interval
            before = lag
        }
    }

    /// Ships what is left, within a time limit; for after `run` at shutdown.
    /// - Returns: whether everything is stored. What is not stays on file for the next start.
    package func drain(within limit: Duration) async -> Bool {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await shipAll()
                } catch {
                    logger.warning("the last usage is stored at the next start", metadata: ["error": "\(error)"])
                }
            }
            group.addTask {
                // Cancelled when the shipping is over before.
                do { try await clock.sleep(for: limit) } catch {}
            }
            _ = await group.next()
            group.cancelAll()
        }
        return journal.lag == 0
    }

    /// Ships everything that is there now.
    func shipAll() async throws {
        while let stretch = try journal.nextStretch() {
            try await ship(stretch)
            journal.keepRoom(of: stretch)
            // A file that cannot be removed holds up no rows; the last try says so.
            try? journal.removeShipped()
        }
        try journal.removeShipped()
    }

    /// Only ends become rows. A request whose end is missing needs none while this process lives: every path of it
    /// ends in `close`, and what a crash cuts off gets a `settled` at the next start.
    private func ship(_ stretch: ShippableStretch) async throws {
        var rest = stretch.scan.frames[...]
        var missing = stretch.rows
        while !rest.isEmpty {
            let batch = rest.prefix(batchLength(of: rest))
            let (records, unreadable) = stretch.rows(of: batch)
            if !records.isEmpty { try await store.insert(records) }
            if unreadable > 0 {
                logger.critical(
                    "the journal holds records that this version cannot read; their file is set aside",
                    metadata: ["segment": "\(stretch.segment)", "count": "\(unreadable)"])
            }
            journal.markShipped(
                stretch.segment, to: stretch.offset + (batch.last?.end ?? 0), rows: records.count + unreadable,
                isDamaged: unreadable > 0)
            missing -= records.count + unreadable
            rest = rest.dropFirst(batch.count)
        }
        finish(stretch, missing: max(0, missing))
    }

    /// How many frames there are up to the row that fills a batch.
    private func batchLength(of frames: ArraySlice<SegmentScan.Frame>) -> Int {
        var rows = 0
        for index in frames.indices where frames[index].isRow {
            rows += 1
            if rows == limits.batch { return index + 1 - frames.startIndex }
        }
        return frames.count
    }

    /// - Parameter missing: rows that were written there and cannot be read.
    private func finish(_ stretch: ShippableStretch, missing: Int) {
        let damaged = stretch.scan.damagedBytes + stretch.length - stretch.scan.end
        guard damaged > 0 else { return }
        journal.metrics.damaged.increment(by: damaged)
        logger.critical(
            "a journal file is damaged; what could be read is stored, and the file is set aside",
            metadata: ["segment": "\(stretch.segment)", "bytes": "\(damaged)", "lost_records": "\(missing)"])
        journal.markShipped(
            stretch.segment, to: stretch.offset + stretch.length, rows: 0, lost: missing, isDamaged: true)
    }

    /// Doubles from a quarter of a second up to the limit, with up to a quarter of jitter.
    private func pause(after failures: Int) -> Duration {
        let doubled = Duration.milliseconds(250) * (1 << min(failures - 1, 10))
        let pause = min(doubled, limits.longestPause)
        let jitter = random.next(below: UInt64(max(1, pause.microseconds / 4)))
        return pause + .microseconds(Int64(jitter))
    }
}
