package import Database
package import Inference
package import Kernel

/// Usage rows as somebody looks at them who pays for them.
package struct DatabaseUsageReports: UsageReports {
    private let database: any Database
    private let mostAtOnce: Int

    /// - Parameter mostAtOnce: rows that one statement adds up.
    package init(_ database: any Database, mostAtOnce: Int = UsageStretches.rows) {
        self.database = database
        self.mostAtOnce = mostAtOnce
    }

    package func rows(
        in workspace: WorkspaceID, matching filter: UsageFilter, page: PageRequest
    ) async throws -> Page<BilledUsage> {
        let after = try page.after.map { _ in try page.cursor(RequestKind.self) }
        let found = try await database.fetching(.workspace(workspace)) { tx in
            var question = UsageWords()
            question.narrow(to: workspace, filter)
            if let after { try Self.narrow(&question, after: after, in: workspace, tx) }
            let limit = question.place(page.limit + 1)
            // By the time that the filter bounds: only so is a page far back found without those before it.
            let rows = try tx.rows(
                "SELECT * FROM usage WHERE " + question.conditions.joined(separator: " AND ")
                    + " ORDER BY started DESC, request_id DESC LIMIT " + limit, question.values)
            let records = try UsageRecord.records(rows, tx)
            return try zip(rows, records).map { try BilledUsage(row: $0, record: $1) }
        }
        return Page(rows: found, limit: page.limit) { $0.record.request.description }
    }

    private static func narrow(
        _ question: inout UsageWords, after: String, in workspace: WorkspaceID, _ tx: any Tx
    ) throws {
        let started = question.place(try DatabaseUsageStore.place(of: after, in: workspace, tx))
        question.narrow(by: "(started, request_id) < (" + started + ", ", after, closing: ")")
    }

    package func totals(
        in workspace: WorkspaceID, matching filter: UsageFilter, by groups: Set<UsageGroup>, days: [UsageSpan],
        limit: Int
    ) async throws -> [UsageTotal] {
        if groups.contains(.day), days.isEmpty { return [] }
        let spans = Dictionary(days.map { ($0.begins, $0) }) { first, _ in first }
        var totals: [UsageTotal.Group: UsageTotal] = [:]
        let stretches = UsageStretches(
            database: database, workspace: workspace, span: UsageSpan(begins: filter.from, ends: filter.until),
            most: mostAtOnce)
        try await stretches.forEach { stretch, tx in
            var part = filter
            (part.from, part.until) = (stretch.begins, stretch.ends)
            return try Self.sums(in: workspace, matching: part, by: groups, days: days, limit: limit, tx)
        } then: { sums in
            guard sums.rows.count <= limit else { throw Self.tooMany(limit) }
            try Self.fold(sums, groups, spans, filter, into: &totals)
            guard totals.count <= limit else { throw Self.tooMany(limit) }
        }
        return Array(totals.values)
    }

    private struct Sums {
        var rows: [Row] = []
        /// Of all of them; nil where each says its own.
        var day: UsageSpan?
    }

    /// By everything that is grouped by, and by the currencies.
    private static func sums(
        in workspace: WorkspaceID, matching filter: UsageFilter, by groups: Set<UsageGroup>, days: [UsageSpan],
        limit: Int, _ tx: any Tx
    ) throws -> Sums {
        var (question, filter, groups) = (UsageWords(), filter, groups)
        var (head, table) = ("", "usage")
        var day: UsageSpan?
        let days = days.filter { $0.begins < filter.until && $0.ends > filter.from }
        if groups.contains(.day), days.count <= 1 {
            // As a rule where there are many rows: not to look at the day of each takes half the time.
            guard let only = days.first else { return Sums() }
            (filter.from, filter.until) = (max(filter.from, only.begins), min(filter.until, only.ends))
            groups.remove(.day)
            day = only
        }
        if groups.contains(.day) {
            let spans = days.map { day -> String in
                let (begins, ends) = (question.place(day.begins), question.place(day.ends))
                return "(CAST(" + begins + " AS BIGINT), CAST(" + ends + " AS BIGINT))"
            }
            head = "WITH span (begins, ends) AS (VALUES " + spans.joined(separator: ", ") + ") "
            table = "usage JOIN span ON started >= begins AND started < ends"
        }
        question.narrow(to: workspace, filter)
        let names =
            (UsageGroup.allCases.filter(groups.contains).flatMap(\.columns)
            + ["price_currency", "cost_currency"]).joined(separator: ", ")
        let sql =
            head + "SELECT " + names + ", " + columns + " FROM " + table + " WHERE "
            + question.conditions.joined(separator: " AND ") + " GROUP BY " + names + " LIMIT "
            + question.place(limit + 1)
        return Sums(rows: try tx.rows(sql, question.values), day: day)
    }

    private static let columns =
        """
        CAST(COUNT(*) AS BIGINT) AS requests,
        CAST(SUM(CASE WHEN status = 'succeeded' THEN 0 ELSE 1 END) AS BIGINT) AS unsuccessful,
        CAST(SUM(CASE WHEN bill_state = 'suspended' THEN 1 ELSE 0 END) AS BIGINT) AS suspended,
        CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
        CAST(SUM(cached_tokens) AS BIGINT) AS cached_tokens,
        CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
        CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens,
        CAST(SUM(COALESCE(umu, 0)) AS BIGINT) AS umu,
        CAST(SUM(COALESCE(price, 0)) AS BIGINT) AS price,
        CAST(SUM(COALESCE(cost, 0)) AS BIGINT) AS cost
        """

    private static func tooMany(_ limit: Int) -> Problem {
        Problem(
            .validationError, "The report would have more than \(limit) rows.", parameter: "group_by",
            hint: "Ask for a shorter time, or for fewer groups.")
    }

    /// Rows of several currencies are one total, and rows with several tags are several.
    private static func fold(
        _ sums: Sums, _ groups: Set<UsageGroup>, _ spans: [Instant: UsageSpan], _ filter: UsageFilter,
        into totals: inout [UsageTotal.Group: UsageTotal]
    ) throws {
        for row in sums.rows {
            var group = UsageTotal.Group()
            if groups.contains(.day) { group.span = try sums.day ?? spans[row.value("begins")] }
            if groups.contains(.model) { group.model = try row.value("model") }
            if groups.contains(.key) { group.key = try row.value("key_id") }
            if groups.contains(.user) {
                group.user = try row.value("user_id", as: UserID?.self).map { .value($0) } ?? UsageFilter.Wanted.none
            }
            guard groups.contains(.tag) else {
                try totals[group, default: UsageTotal(group)].add(row)
                continue
            }
            let tags = TagText.tags(in: try row.value("tags"))
            // Whoever asks for one tag is not told of the others on its rows.
            let wanted = tags.filter { tag in
                if case .value(let only)? = filter.tag { tag == only } else { true }
            }
            for tag in tags.isEmpty ? [UsageFilter.Wanted.none] : wanted.map({ .value($0) }) {
                group.tag = tag
                try totals[group, default: UsageTotal(group)].add(row)
            }
        }
    }
}

/// A statement's conditions with their values, so that their numbers agree.
private struct UsageWords {
    private(set) var conditions: [String] = []
    private(set) var values: [any SQLRepresentable] = []

    /// - Returns: what stands for the value in the statement.
    mutating func place(_ value: any SQLRepresentable) -> String {
        values.append(value)
        return "$" + String(values.count)
    }

    mutating func narrow(by words: String, _ value: any SQLRepresentable, closing: String = "") {
        conditions.append(words + place(value) + closing)
    }

    mutating func narrow(to workspace: WorkspaceID, _ filter: UsageFilter) {
        narrow(by: "workspace_id = ", workspace)
        narrow(by: "started >= ", filter.from)
        narrow(by: "started < ", filter.until)
        if let model = filter.model { narrow(by: "model = ", model) }
        if let key = filter.key { narrow(by: "key_id = ", key) }
        switch filter.user {
        case .value(let user)?: narrow(by: "user_id = ", user)
        case UsageFilter.Wanted.none?: conditions.append("user_id IS NULL")
        case nil: break
        }
        switch filter.tag {
        // Neither engine's word for "is part of" is known to the other.
        case .value(let tag)?: conditions.append("REPLACE(tags, " + place(TagText.text(of: [tag])) + ", '') <> tags")
        case UsageFilter.Wanted.none?: conditions.append("tags = ''")
        case nil: break
        }
    }
}

/// Tags as they stand in a row: empty, or with a comma before, between and after them.
private enum TagText {
    static func text(of tags: [String]) -> String { tags.isEmpty ? "" : "," + tags.joined(separator: ",") + "," }

    /// Each once, whatever its caller repeated.
    static func tags(in text: String) -> [String] { Set(text.split(separator: ",").map(String.init)).sorted() }
}

extension UsageGroup {
    fileprivate var columns: [String] {
        switch self {
        case .day: ["begins"]
        case .model: ["model"]
        case .key: ["key_id"]
        case .user: ["user_id"]
        case .tag: ["tags"]
        }
    }
}

extension UsageTotal {
    fileprivate mutating func add(_ row: Row) throws {
        requests += try row.value("requests")
        unsuccessful += try row.value("unsuccessful")
        suspended += try row.value("suspended")
        inputTokens += try row.value("input_tokens")
        cachedTokens += try row.value("cached_tokens")
        outputTokens += try row.value("output_tokens")
        reasoningTokens += try row.value("reasoning_tokens")
        umu += try row.value("umu", as: Int64.self)
        try Self.add(row, "price", to: &prices)
        try Self.add(row, "cost", to: &costs)
    }

    private static func add(_ row: Row, _ column: String, to sums: inout [Currency: Int64]) throws {
        guard let text = try row.value(column + "_currency", as: String?.self) else { return }
        guard let currency = Currency(rawValue: text) else {
            throw DatabaseFailure.corrupt("column " + column + "_currency holds no known currency")
        }
        let (sum, overflow) = sums[currency, default: 0].addingReportingOverflow(try row.value(column))
        guard !overflow else { throw DatabaseFailure.corrupt("the column " + column + " sums to more than 64 bits") }
        sums[currency] = sum
    }
}

extension BilledUsage {
    fileprivate init(row: Row, record: UsageRecord) throws {
        self.init(
            record: record, billState: try row.value("bill_state"), price: try Money(row: row, "price"),
            cost: try Money(row: row, "cost"), umu: try row.value("umu", as: Int64?.self).map { UMU(millionths: $0) },
            priceVersion: try row.value("price_version"), costVersion: try row.value("cost_version"))
    }
}
