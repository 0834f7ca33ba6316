package import Kernel

/// The node's journal, as the hot path sees it: what a request is, what it has consumed so far, how it ended.
///
/// Records are noted, and `commit` hands all of them to the operating system before it returns, so that they survive
/// `kill -9` of this process. All of it is called on event loops: one write, no lock held for longer than that. A
/// record that cannot be written is kept in memory and written later; `refusal` says so meanwhile.
package protocol UsageJournal: AnyObject, Sendable {
    /// Before the upstream is called. Every beginning is followed by an end, or settled at the next start.
    func note(_ request: OpenRequest)
    /// Before the first content goes to the client, and then at intervals. The last one counts.
    func note(_ progress: RequestProgress)
    /// Before the bytes that tell the client that it has everything.
    func note(_ record: UsageRecord)
    /// Hands over what was noted: it survives the end of this process from then on, and nothing that it stands before
    /// may happen earlier. What many requests noted costs as much as what one did.
    func commit()

    /// Whether what a record promises may only be acted on when the record is on the disk: then `whenSynced` comes
    /// between the record and the act.
    var isStrict: Bool { get }
    /// Calls once, on any thread, when everything that was handed over before this call is on the disk.
    func whenSynced(_ body: @escaping @Sendable () -> Void)

    /// Why no new work may start; nil while it may. Cheap: asked for every request.
    var refusal: Problem? { get }
}

/// For whoever has nothing to gather.
extension UsageJournal {
    package func open(_ request: OpenRequest) {
        note(request)
        commit()
    }

    package func progress(_ progress: RequestProgress) {
        note(progress)
        commit()
    }

    package func close(_ record: UsageRecord) {
        note(record)
        commit()
    }
}

/// Where the journal's records go. Throws as `UsageStore`.
package protocol UsageSink: Sendable {
    /// Takes over all of the records, or throws and has taken none. One whose request was taken over already changes
    /// nothing, so that a repeat is harmless.
    func insert(_ records: [UsageRecord]) async throws
}

/// Where usage rows are kept. Methods throw `Problem(.storageUnavailable)` or `.storageFull`, and are cancelled with
/// their task.
package protocol UsageStore: UsageSink {
    /// - Returns: nil where the workspace has no such row.
    func record(of request: RequestID, in workspace: WorkspaceID) async throws -> UsageRecord?
    /// The workspace's rows, newest first.
    func list(in workspace: WorkspaceID, page: PageRequest) async throws -> Page<UsageRecord>
    /// Sums over the workspace's rows by UTC day, model and key, newest day first.
    func summary(in workspace: WorkspaceID, days: Int, until now: Instant) async throws -> [UsageSummary]
}

/// What the rows of one day, model and key sum to.
package struct UsageSummary: Sendable, Hashable {
    /// The UTC day as `2026-11-21`.
    package let day: String
    package let model: String
    package let key: KeyID
    package let requests: Int
    /// Requests that ended in another way than `succeeded`.
    package let unsuccessful: Int
    package let inputTokens: Int
    package let outputTokens: Int

    package init(
        day: String, model: String, key: KeyID, requests: Int, unsuccessful: Int, inputTokens: Int, outputTokens: Int
    ) {
        self.day = day
        self.model = model
        self.key = key
        self.requests = requests
        self.unsuccessful = unsuccessful
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
    }
}
