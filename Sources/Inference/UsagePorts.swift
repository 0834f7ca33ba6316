package import Kernel

/// The node's journal, as the hot path sees it.
package protocol UsageJournal: Sendable {
    /// Hands the record to the operating system before it returns, so that it survives `kill -9` of this process.
    /// Called on an event loop: it makes one small write and takes no lock for longer than that.
    ///
    /// A record that cannot be written is kept in memory and written later; until then `acceptsWork` is false.
    func append(_ record: UsageRecord)

    /// False while records wait in memory for a disk that does not take them: no new work may start then.
    var acceptsWork: Bool { get }
}

/// Where usage rows are kept. Methods throw `Problem(.storageUnavailable)` or `.storageFull`, and are cancelled with
/// their task.
package protocol UsageStore: Sendable {
    /// Adds the records in one transaction. A record whose request is there already changes nothing.
    func insert(_ records: [UsageRecord]) async throws
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
