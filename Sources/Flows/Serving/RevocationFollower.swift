package import Kernel
package import Logging
import Synchronization
package import Tenancy

/// The requests that run on keys now.
package protocol RunningRequests: Sendable {
    /// The keys of running requests that one of the subjects touches, with their prefixes. A request whose key is being
    /// checked at this moment has it checked again.
    /// - Parameter subjects: nil for every key.
    func keys(touchedBy subjects: Set<Revocation.Subject>?) async -> [KeyID: String]
    /// Ends the requests on these keys, each with an error that says why. What they used is recorded.
    func cut(_ keys: Set<KeyID>) async
}

/// Reads the list of revocations, and brings what is new on it into force on this node.
///
/// Applying something twice changes nothing, so that readers need not wait for each other.
package final class RevocationFollower: Sendable {
    private static let pageLength = 1000
    /// Running keys whose rows are read again at one time.
    private static let width = 16

    private struct State {
        /// The number up to which everything is in force; nil before the first look.
        var applied: Int64?
        var credentialsAreStale = true
    }

    private let store: any RevocationStore
    private let keys: KeyVerifier
    private let requests: any RunningRequests
    private let credentials: ProviderCredentials?
    private let clock: any Clock
    private let logger: Logger
    private let announce: @Sendable () -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - credentials: those of outside providers; nil without any.
    ///   - announce: tells the other nodes that there is something new.
    package init(
        store: any RevocationStore, keys: KeyVerifier, requests: any RunningRequests,
        credentials: ProviderCredentials?, clock: any Clock, logger: Logger,
        announce: @escaping @Sendable () -> Void = {}
    ) {
        self.store = store
        self.keys = keys
        self.requests = requests
        self.credentials = credentials
        self.clock = clock
        self.logger = logger
        self.announce = announce
    }

    /// Applies everything that was committed before the call.
    /// - Throws: the store's `Problem`; what was not applied is by the next call.
    package func catchUp() async throws {
        var hasMore = true
        var touchesProviders = state.withLock { $0.credentialsAreStale }
        while hasMore { hasMore = try await applyPage(&touchesProviders) }
        if touchesProviders { await refreshCredentials() }
    }

    /// - Returns: whether there is more.
    private func applyPage(_ touchesProviders: inout Bool) async throws -> Bool {
        // Before the store is asked: what is committed while it answers may be missing.
        let asked = clock.uptime
        guard let applied = state.withLock({ $0.applied }),
            let news = try await store.after(applied, limit: Self.pageLength)
        else {
            try await begin(at: asked)
            touchesProviders = true
            return false
        }
        if let last = news.last {
            let subjects = Set(news.map(\.subject))
            if subjects.contains(.providers) { touchesProviders = true }
            try await apply(subjects, upTo: last.sequence)
        }
        guard news.count < Self.pageLength else { return true }
        keys.feedWasRead(at: asked)
        return false
    }

    /// From here on nothing is missed; what was known before may be old.
    private func begin(at asked: Duration) async throws {
        let head = try await store.head()
        keys.forgetAll()
        try await review(touchedBy: nil)
        state.withLock { state in
            state.applied = max(head, state.applied ?? head)
            state.credentialsAreStale = true
        }
        keys.feedWasRead(at: asked)
    }

    private func apply(_ subjects: Set<Revocation.Subject>, upTo sequence: Int64) async throws {
        keys.forget(subjects)
        try await review(touchedBy: subjects)
        state.withLock { state in
            state.applied = max(sequence, state.applied ?? sequence)
            if subjects.contains(.providers) { state.credentialsAreStale = true }
        }
    }

    /// A change of a key, or of what it belongs to, need not be its end: its row says.
    private func review(touchedBy subjects: Set<Revocation.Subject>?) async throws {
        let running = await requests.keys(touchedBy: subjects)
        guard !running.isEmpty else { return }
        let ended = try await withThrowingTaskGroup(of: KeyID?.self) { group in
            var left = running.makeIterator()
            var ended: Set<KeyID> = []
            for _ in 0..<Self.width {
                guard let (key, prefix) = left.next() else { break }
                group.addTask { [keys] in try await keys.mayGoOn(prefix: prefix) ? nil : key }
            }
            while let key = try await group.next() {
                if let key { ended.insert(key) }
                guard let (key, prefix) = left.next() else { continue }
                group.addTask { [keys] in try await keys.mayGoOn(prefix: prefix) ? nil : key }
            }
            return ended
        }
        guard !ended.isEmpty else { return }
        await requests.cut(ended)
        logger.notice("requests on revoked keys were ended", metadata: ["keys": "\(ended.count)"])
    }

    /// A failure does not hold up revocations: it is tried again with the next call.
    private func refreshCredentials() async {
        guard let credentials else { return }
        do {
            state.withLock { $0.credentialsAreStale = false }
            let refused = try await credentials.refresh()
            guard !refused.isEmpty else { return }
            logger.error(
                "keys of providers cannot be used; they are called without one",
                metadata: ["providers": "\(refused.joined(separator: ", "))"])
        } catch {
            state.withLock { $0.credentialsAreStale = true }
            logger.warning("the providers' keys cannot be read now", metadata: ["error": "\(error)"])
        }
    }
}

extension RevocationFollower: RevocationListener {
    package func didRevoke() async throws {
        announce()
        try await catchUp()
    }
}
