import Kernel

/// What is known about tokens, and whether the store answers. Pure: told the time, and used under its owner's lock.
struct VerdictCache {
    private struct Entry {
        var verdict: KeyVerifier.Verdict
        /// The row's hash that this token was proven against; nil for a refusal.
        var provenHash: String?
        var prefix: String
        var freshUntil: Duration
        /// Until when it holds while the store is away. A refusal holds no longer than it is fresh.
        var holdsUntil: Duration
        /// From when on the row is read again, so that a key in use never waits for that.
        var renewFrom: Duration
    }

    private let limits: KeyVerifier.Limits
    private var entries: [Digest256: Entry] = [:]
    /// Look-ups that the store has not answered, and since when it has been silent about them.
    private var unanswered = 0
    private var silentSince = Duration.zero
    private var hasFailed = false
    private var nextTry = Duration.zero

    init(limits: KeyVerifier.Limits) { self.limits = limits }

    // MARK: Verdicts

    /// The verdict while it is fresh; a proven one also while the store is away, up to `staleness`.
    mutating func look(up digest: Digest256, at uptime: Duration) -> KeyVerifier.Cached? {
        guard let entry = entries[digest], uptime < entry.holdsUntil,
            uptime < entry.freshUntil || isAway(at: uptime)
        else { return nil }
        let isDue = entry.provenHash != nil && uptime >= entry.renewFrom
        return KeyVerifier.Cached(verdict: entry.verdict, wantsRenewal: isDue && takeRenewal(of: digest, at: uptime))
    }

    /// What holds although the store has just failed.
    func heldVerdict(on digest: Digest256, at uptime: Duration) -> KeyVerifier.Verdict? {
        guard let entry = entries[digest], uptime < entry.holdsUntil else { return nil }
        return entry.verdict
    }

    func provenHash(of digest: Digest256) -> String? { entries[digest]?.provenHash }

    /// Given for each token once in `retry`, and while the store is away once in `retry` for all tokens together.
    private mutating func takeRenewal(of digest: Digest256, at uptime: Duration) -> Bool {
        if isAway(at: uptime) {
            guard unanswered == 0, uptime >= nextTry else { return false }
            nextTry = uptime + limits.retry
        }
        entries[digest]?.renewFrom = uptime + limits.retry
        return true
    }

    /// - Parameters:
    ///   - confirmed: when the store was asked for the row, or an earlier moment.
    ///   - expires: when the key expires, by the same clock.
    mutating func remember(
        _ verdict: KeyVerifier.Verdict, of key: APIKey, proven: Bool, digest: Digest256, confirmed: Duration,
        expires: Duration?, at uptime: Duration
    ) {
        if entries.count >= limits.capacity { makeRoom(at: uptime) }
        let end = proven ? expires ?? .seconds(Int64.max) : .seconds(Int64.max)
        let freshUntil = min(end, confirmed + (proven ? limits.freshness : limits.refusal))
        entries[digest] = Entry(
            verdict: verdict, provenHash: proven ? key.hash : nil, prefix: key.prefix, freshUntil: freshUntil,
            holdsUntil: proven ? min(end, confirmed + max(limits.staleness, limits.freshness)) : freshUntil,
            renewFrom: confirmed + limits.freshness * 2 / 3)
    }

    mutating func forget(_ digest: Digest256) { entries[digest] = nil }

    mutating func forget(prefix: String) { entries = entries.filter { $0.value.prefix != prefix } }

    /// Drops stale verdicts, then refusals, then everything: a full cache costs time, never correctness.
    private mutating func makeRoom(at uptime: Duration) {
        entries = entries.filter { $0.value.freshUntil > uptime }
        if entries.count < limits.capacity { return }
        entries = entries.filter { $0.value.verdict != .refused }
        if entries.count < limits.capacity { return }
        entries.removeAll(keepingCapacity: true)
    }

    // MARK: The store

    /// It failed and has not answered since, or owes an answer for too long.
    private func isAway(at uptime: Duration) -> Bool {
        hasFailed || unanswered > 0 && uptime >= silentSince + limits.retry
    }

    /// Every call is paired with one of the three below.
    mutating func storeIsAsked(at uptime: Duration) {
        if unanswered == 0 { silentSince = uptime }
        unanswered += 1
    }

    mutating func storeDidAnswer(at uptime: Duration) {
        unanswered -= 1
        silentSince = uptime
        hasFailed = false
    }

    mutating func storeDidFail(at uptime: Duration) {
        unanswered -= 1
        hasFailed = true
        nextTry = uptime + limits.retry
    }

    /// It has not answered in the time that a request waits.
    mutating func storeIsSilent(at uptime: Duration) {
        hasFailed = true
        nextTry = uptime + limits.retry
    }

    /// The asker went away, or met a fault that says nothing about whether the store can be reached.
    mutating func storeWasLeft() { unanswered -= 1 }
}
