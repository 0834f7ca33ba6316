import Kernel

/// What is known about tokens, and whether the store answers. Pure: told the time, and used under its owner's lock.
struct VerdictCache {
    private struct Entry {
        var verdict: KeyVerifier.Verdict
        /// The row's hash that this token was proven against; nil for a refusal.
        var provenHash: String?
        var prefix: String
        var owner: Owner
        var freshUntil: Duration
        /// Until when it holds while the store is away. A refusal holds no longer than it is fresh.
        var holdsUntil: Duration
        /// From when on the row is read again, so that a key in use never waits for that.
        var renewFrom: Duration
        /// The last use that nobody has asked for yet.
        var used: Duration?
    }

    /// Everything whose revocation ends a verdict.
    struct Owner {
        let key: KeyID
        let workspace: WorkspaceID
        let tenant: TenantID
        let user: UserID?

        init(_ key: APIKey) {
            self.key = key.id
            workspace = key.workspace
            tenant = key.tenant
            user = key.user
        }

        func isAmong(_ subjects: Set<Revocation.Subject>) -> Bool {
            subjects.contains(.key(key)) || subjects.contains(.workspace(workspace))
                || subjects.contains(.tenant(tenant)) || user.map { subjects.contains(.user($0)) } ?? false
        }
    }

    private let limits: KeyVerifier.Limits
    private var entries: [Digest256: Entry] = [:]
    /// Uses of keys whose verdicts were dropped since.
    private var looseUses: [KeyID: Duration] = [:]
    /// When the list of revocations was last read; nil when nobody reads it here.
    private var feedRead: Duration?
    /// Look-ups that the store has not answered, and since when it has been silent about them.
    private var unanswered = 0
    private var silentSince = Duration.zero
    private var hasFailed = false
    private var nextTry = Duration.zero

    init(limits: KeyVerifier.Limits) { self.limits = limits }

    // MARK: Verdicts

    /// The verdict while it is fresh; a proven one also while the store is away, up to `staleness`.
    mutating func look(up digest: Digest256, at uptime: Duration) -> KeyVerifier.Cached? {
        guard let index = entries.index(forKey: digest), !isBlind(at: uptime) else { return nil }
        let entry = entries.values[index]
        guard uptime < entry.holdsUntil, uptime < entry.freshUntil || isAway(at: uptime) else { return nil }
        if entry.provenHash != nil { entries.values[index].used = uptime }
        let isDue = entry.provenHash != nil && uptime >= entry.renewFrom
        return KeyVerifier.Cached(verdict: entry.verdict, wantsRenewal: isDue && takeRenewal(of: digest, at: uptime))
    }

    /// What holds although the store has just failed.
    func heldVerdict(on digest: Digest256, at uptime: Duration) -> KeyVerifier.Verdict? {
        guard let entry = entries[digest], uptime < entry.holdsUntil, !isBlind(at: uptime) else { return nil }
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
            verdict: verdict, provenHash: proven ? key.hash : nil, prefix: key.prefix, owner: Owner(key),
            freshUntil: freshUntil,
            holdsUntil: proven ? min(end, confirmed + max(limits.staleness, limits.freshness)) : freshUntil,
            renewFrom: confirmed + limits.freshness * 2 / 3, used: entries[digest]?.used)
    }

    mutating func forget(_ digest: Digest256) {
        if let entry = entries.removeValue(forKey: digest) { keepUse(of: entry) }
    }

    mutating func forget(prefix: String) { forget { $0.prefix == prefix } }

    mutating func forget(_ subjects: Set<Revocation.Subject>) { forget { $0.owner.isAmong(subjects) } }

    mutating func forgetAll() { forget { _ in true } }

    /// Ends verdicts. Which hash a token was proven against stays known: the row decides anew, and a change that
    /// touches many keys does not make all of them hash again at once.
    private mutating func forget(_ isMeant: (Entry) -> Bool) {
        var refusals: [Digest256] = []
        var index = entries.startIndex
        while index != entries.endIndex {
            if isMeant(entries.values[index]) {
                if entries.values[index].provenHash == nil {
                    refusals.append(entries.keys[index])
                } else {
                    entries.values[index].freshUntil = .zero
                    entries.values[index].holdsUntil = .zero
                }
            }
            entries.formIndex(after: &index)
        }
        for digest in refusals { entries[digest] = nil }
    }

    /// Drops stale verdicts, then refusals, then everything: a full cache costs time, never correctness.
    private mutating func makeRoom(at uptime: Duration) {
        keep { $0.freshUntil > uptime }
        if entries.count < limits.capacity { return }
        keep { $0.verdict != .refused }
        if entries.count < limits.capacity { return }
        keep { _ in false }
    }

    private mutating func keep(_ isKept: (Entry) -> Bool) {
        for entry in entries.values where !isKept(entry) { keepUse(of: entry) }
        entries = entries.filter { isKept($0.value) }
    }

    // MARK: Uses

    /// For a use that was not seen by `look(up:)`.
    mutating func noteUse(of digest: Digest256, at uptime: Duration) {
        guard let index = entries.index(forKey: digest), entries.values[index].provenHash != nil else { return }
        entries.values[index].used = uptime
    }

    /// When each key was last used, of those that were since the last call.
    mutating func takeUses() -> [KeyID: Duration] {
        var uses = looseUses
        looseUses = [:]
        // By index: a loop over the table itself would copy all of it at the first change.
        var index = entries.startIndex
        while index != entries.endIndex {
            if let used = entries.values[index].used {
                let key = entries.values[index].owner.key
                uses[key] = max(used, uses[key] ?? used)
                entries.values[index].used = nil
            }
            entries.formIndex(after: &index)
        }
        return uses
    }

    /// Puts back what could not be written. What is too much is lost: a time of last use is worth no more memory.
    mutating func putBack(_ uses: [KeyID: Duration]) {
        for (key, used) in uses { keepUse(of: key, at: used) }
    }

    private mutating func keepUse(of entry: Entry) {
        if let used = entry.used { keepUse(of: entry.owner.key, at: used) }
    }

    private mutating func keepUse(of key: KeyID, at used: Duration) {
        guard looseUses.count < limits.capacity || looseUses[key] != nil else { return }
        looseUses[key] = max(used, looseUses[key] ?? used)
    }

    // MARK: Revocations

    /// What this node knows of revocations is complete up to `uptime`.
    mutating func feedWasRead(at uptime: Duration) { feedRead = max(uptime, feedRead ?? uptime) }

    /// Whether revocations may have been missed for so long that nothing in memory counts.
    private func isBlind(at uptime: Duration) -> Bool {
        guard let feedRead else { return false }
        return uptime >= feedRead + limits.staleness
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
