import Flows
import HTTPTypes
import Kernel
import Tenancy

extension ControlAPI {
    private static let filters = ["workspace", "zone", "from", "to", "model", "key", "user", "tag"]

    var usageRoutes: [Route] {
        [
            .admin(.get, "usage", .usageRead) { asked in
                let old = ["workspace", "each", "days", "limit", "after"]
                let query = try asked.query(known: old + Self.filters + ["group_by"])
                if try query.text("group_by") != nil { return try .json(await Self.report(asked, query)) }
                let workspace: WorkspaceID? = try query.identifier("workspace")
                if try query.flag("each") { return try .json(await Self.rows(asked, query)) }
                let days = try query.integer("days") ?? 30
                let sums = try await asked.control.usageSummary(in: workspace, days: days)
                return try .json(Page(rows: sums, limit: sums.count) { $0.day })
            },
            Route(
                .get, "/v1/usage", .permission(.usageRead),
                .admin { asked in
                    try .json(await Self.report(asked, asked.query(known: Self.filters + ["group_by"])))
                }),
            Route(
                .get, "/v1/usage/rows", .permission(.usageRead),
                .admin { asked in
                    try .json(await Self.rows(asked, asked.query(known: Self.filters + ["limit", "after"])))
                }),
        ]
    }

    private static func report(_ asked: AdminRequest, _ query: Query) async throws -> UsageReportView {
        try await asked.control.usageReport(query.usageQuestion())
    }

    private static func rows(_ asked: AdminRequest, _ query: Query) async throws -> Page<UsageRowView> {
        let page = try query.page(of: Kernel.RequestID.self)
        let question = try query.usageQuestion()
        guard question.isNarrowed else { return try await asked.control.usageRows(in: question.workspace, page) }
        return try await asked.control.usageRows(matching: question, page)
    }
}

extension Query {
    fileprivate func usageQuestion() throws(Problem) -> UsageQuestion {
        let groups = try text("group_by")?.split(separator: ",").map(String.init) ?? []
        return UsageQuestion(
            workspace: try identifier("workspace"), groups: groups, zone: try text("zone"), from: try text("from"),
            until: try text("to"), model: try text("model"), key: try identifier("key"), user: try text("user"),
            tag: try text("tag"))
    }
}

extension UsageQuestion {
    /// Whether it asks for less than everything; with a zone alone, the last 30 days.
    fileprivate var isNarrowed: Bool { self != UsageQuestion(workspace: workspace, groups: groups) }
}
