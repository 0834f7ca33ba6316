import Billing
import FoundationEssentials
import Inference
package import Kernel
import Tenancy

extension ControlFlow {
    package func usageReport(_ question: UsageQuestion) async throws -> UsageReportView {
        let workspace = try await authorized(.usageRead, in: question.workspace, as: "usage.read")
        let zone = question.zone ?? "UTC"
        let days = try Self.days(of: zone)
        let filter = try await withOwnName(question, in: workspace).filter(days, now: now)
        var groups: Set<UsageGroup> = []
        for (index, text) in question.groups.enumerated() {
            groups.insert(try Checks.oneOf(UsageGroup.self, text, parameter: "group_by[\(index)]"))
        }
        var spans: [UsageSpan] = []
        if groups.contains(.day) {
            guard let cut = days.days(from: filter.from, until: filter.until, most: Self.mostDays) else {
                throw Problem(
                    .validationError, "More than \(Self.mostDays) days lie between `from` and `to`.",
                    parameter: "from", hint: "Ask for at most a year by day.")
            }
            spans = cut.map { UsageSpan(begins: $0.begins, ends: $0.ends) }
        }
        let totals = try await money.usage.totals(
            in: workspace.id, matching: filter, by: groups, days: spans, limit: Self.mostGroups)
        let showsCost = caller.principal.isOperator
        let views = totals.sorted(by: Self.precedes).map { total in
            UsageTotalView(
                total, day: total.group.span.map { days.name(at: $0.begins) },
                rows: UsageRowsURL.text(workspace: workspace.id, filter, total.group), showsCost: showsCost)
        }
        return UsageReportView(
            workspace: workspace.id, from: filter.from, until: filter.until, zone: zone,
            groups: UsageGroup.allCases.filter(groups.contains), data: views)
    }

    package func usageRows(matching question: UsageQuestion, _ page: PageRequest) async throws -> Page<UsageRowView> {
        let workspace = try await authorized(.usageRead, in: question.workspace, as: "usage.read")
        let days = try Self.days(of: question.zone ?? "UTC")
        let filter = try await withOwnName(question, in: workspace).filter(days, now: now)
        let showsCost = caller.principal.isOperator
        return try await money.usage.rows(in: workspace.id, matching: filter, page: page)
            .map { UsageRowView($0, showsCost: showsCost) }
    }

    /// Rows have models by their own names.
    private func withOwnName(_ question: UsageQuestion, in workspace: Workspace) async -> UsageQuestion {
        guard let model = question.model else { return question }
        var question = question
        // What a caller may not know of is not looked up for them either.
        let known = await models(named: model).filter {
            gate.allows(.usageRead, on: Resource(tenant: workspace.tenant, workspace: workspace.id, model: $0))
        }
        if Set(known.map(\.own)).count == 1 { question.model = known[0].own }
        return question
    }

    private static let mostDays = 366
    private static let mostGroups = 10_000

    private static func days(of zone: String) throws(Problem) -> ZoneDays {
        guard let days = ZoneDays(zone: zone) else {
            throw Problem(
                .validationError, "`zone` is no time zone of the IANA database.", parameter: "zone",
                hint: "Write it as Asia/Tehran, Europe/Berlin or UTC.")
        }
        return days
    }

    /// Newest day first, then by name.
    private static func precedes(_ left: UsageTotal, _ right: UsageTotal) -> Bool {
        let (first, second) = (left.group.span?.begins.microseconds ?? 0, right.group.span?.begins.microseconds ?? 0)
        if first != second { return first > second }
        return left.group.names.lexicographicallyPrecedes(right.group.names)
    }
}

extension UsageTotal.Group {
    fileprivate var names: [String] {
        [model ?? "", key?.description ?? "", user?.text ?? "", tag?.text ?? ""]
    }
}

extension UsageQuestion {
    fileprivate func filter(_ days: ZoneDays, now: Instant) throws(Problem) -> UsageFilter {
        // Links carry milliseconds, and must mean the same rows.
        let now = Instant(microseconds: now.milliseconds * 1000)
        let until = try until.map { text throws(Problem) in try Self.time(text, days, parameter: "to") } ?? now
        let from =
            try from.map { text throws(Problem) in try Self.time(text, days, parameter: "from") }
            ?? until - .seconds(30 * 86_400)
        guard from < until else {
            throw Problem(
                .validationError, "`from` is not before `to`.", parameter: "from",
                hint: "What was accepted from the one up to before the other is counted.")
        }
        var filter = UsageFilter(from: from, until: until, model: model, key: key)
        if let user {
            guard user.isEmpty || UserID(user) != nil else {
                throw Problem(
                    .validationError, "`user` must be an identifier of the form usr_<ULID>.", parameter: "user",
                    hint: "Leave it empty for the rows of keys that belong to nobody.")
            }
            filter.user = UserID(user).map { .value($0) } ?? UsageFilter.Wanted.none
        }
        if let tag { filter.tag = tag.isEmpty ? UsageFilter.Wanted.none : .value(tag) }
        return filter
    }

    private static func time(_ text: String, _ days: ZoneDays, parameter: String) throws(Problem) -> Instant {
        if let day = days.begin(of: text) { return day }
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: text.contains("."))
        // Far enough from where 64 bits of microseconds end.
        guard text.utf8.count <= 40, let date = try? style.parse(text), abs(date.timeIntervalSince1970) < 1e11 else {
            throw Problem(
                .validationError, "`\(parameter)` is neither a day nor a time.", parameter: parameter,
                hint: "Write 2026-11-21, or 2026-11-21T08:30:00Z.")
        }
        return Instant(date)
    }
}

/// Where the rows of a total are listed.
enum UsageRowsURL {
    static func text(workspace: WorkspaceID, _ filter: UsageFilter, _ group: UsageTotal.Group) -> String {
        let from = group.span.map { max($0.begins, filter.from) } ?? filter.from
        let until = group.span.map { min($0.ends, filter.until) } ?? filter.until
        let members: [(String, String?)] = [
            ("workspace", workspace.description), ("from", from.description), ("to", until.description),
            ("model", group.model ?? filter.model), ("key", (group.key ?? filter.key)?.description),
            ("user", (group.user ?? filter.user)?.text), ("tag", (group.tag ?? filter.tag)?.text),
        ]
        let query = members.compactMap { name, value in value.map { "\(name)=\(PercentText.encoded($0))" } }
        return "/v1/usage/rows?" + query.joined(separator: "&")
    }
}
