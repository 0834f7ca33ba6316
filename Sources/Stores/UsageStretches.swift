import Database
import Inference
import Kernel

/// A workspace's usage rows, cut into stretches of time that are looked at one after the other: there may be many
/// millions, and a read has ten seconds. Rows are added, and never changed, so that one snapshot for each stretch is
/// enough.
struct UsageStretches: Sendable {
    /// Rows of a stretch, which are added up in a second or two.
    static let rows = 250_000
    /// Of one report: some ten minutes, after which nobody waits any more.
    static let mostStretches = 400

    let database: any Database
    let workspace: WorkspaceID
    /// Of the rows that are looked at, by when they were accepted.
    let span: UsageSpan
    let most: Int

    /// - Parameters:
    ///   - query: answers for one stretch.
    ///   - then: gets each answer, oldest first.
    /// - Throws: `Problem(.validationError)` where there are more rows than `mostStretches` have.
    func forEach<Answer: Sendable>(
        _ query: @escaping @Sendable (UsageSpan, any Tx) throws -> Answer, then: (Answer) throws -> Void
    ) async throws {
        var begin = span.begins
        var count = 0
        while begin < span.ends {
            count += 1
            guard count <= Self.mostStretches else { throw tooMany }
            let (answer, end) = try await database.fetching(.workspace(workspace)) { [begin] tx -> (Answer, Instant) in
                let end = try self.end(of: begin, tx)
                return (try query(UsageSpan(begins: begin, ends: end), tx), end)
            }
            try then(answer)
            begin = end
        }
    }

    private var tooMany: Problem {
        Problem(
            .validationError, "More than \(most * Self.mostStretches) requests would be added up.", parameter: "from",
            hint: "Ask for a shorter time.")
    }

    /// Where the stretch ends that begins there. The index tells.
    private func end(of begin: Instant, _ tx: any Tx) throws -> Instant {
        let next = try tx.row(
            """
            SELECT started FROM usage WHERE workspace_id = $1 AND started >= $2 AND started < $3
            ORDER BY started LIMIT 1 OFFSET $4
            """, [workspace, begin, span.ends, most])
        guard let next else { return span.ends }
        // Rows of one moment are not parted.
        return max(try next.value("started"), begin + .microseconds(1))
    }
}
