package import Billing
package import Database
import FoundationEssentials
package import Kernel
package import Tenancy

/// Price books as rows: versions are added, never changed.
package struct DatabasePriceStore: PriceStore {
    /// How far a node's clock may be behind the database's, so that "from now on" is not taken for the past.
    private static let tolerance: Duration = .seconds(60)

    private let database: any Database
    private let audit: AuditLog

    package init(_ database: any Database, sealing sealer: any AuditSealer) {
        self.database = database
        audit = AuditLog(sealer)
    }

    package func add(
        _ content: PriceBook.Content, to kind: PriceBook.Kind, effective: Instant, after: Int, by act: MoneyAct
    ) async throws -> PriceBook {
        let text = try Self.text(of: content)
        do {
            return try await database.write(.system) { tx in
                let last = try Self.head(of: kind, tx)
                guard last == after else { throw Self.changedMeanwhile(kind, last) }
                let beginning = try Self.beginning(effective, of: kind, now: tx.now)
                let book = PriceBook(kind: kind, version: last + 1, effective: beginning, content: content)
                try tx.run(
                    """
                    INSERT INTO price_book (kind, version, effective, written, entries, content)
                    VALUES ($1, $2, $3, $4, $5, $6)
                    """,
                    [kind.rawValue, book.version, book.effective, tx.now, content.entries.count, text])
                try tx.spendingChanged()
                let facts = ["effective": "\(book.effective)", "entries": "\(content.entries.count)"]
                try audit.append(
                    act.entry("prices.add", tenant: nil, subject: "\(kind.rawValue)/\(book.version)", facts: facts), tx)
                return book
            }
        } catch let failure as DatabaseFailure where failure.isDuplicate {
            throw Self.changedMeanwhile(kind, nil)
        } catch let failure as DatabaseFailure {
            throw failure.problem
        }
    }

    package func versions(of kind: PriceBook.Kind, page: PageRequest) async throws -> Page<PriceBookSummary> {
        guard let before = page.after.map({ Int64($0) }) ?? .max else {
            throw Problem(
                .validationError, "`after` is not the number of a version.", parameter: "after",
                hint: "Use the `last_id` of the page before.")
        }
        let rows = try await database.fetching(.system) { tx in
            try tx.rows(
                """
                SELECT kind, version, effective, written, entries FROM price_book WHERE kind = $1 AND version < $2
                ORDER BY version DESC LIMIT $3
                """,
                [kind.rawValue, before, page.limit + 1]
            ).map(PriceBookSummary.init(row:))
        }
        return Page(rows: rows, limit: page.limit) { String($0.version) }
    }

    package func book(_ kind: PriceBook.Kind, version: Int) async throws -> PriceBook? {
        try await database.fetching(.system) { tx in
            try tx.row("SELECT * FROM price_book WHERE kind = $1 AND version = $2", [kind.rawValue, version])
                .map(PriceBook.init(row:))
        }
    }

    package func heads() async throws -> [PriceBook.Kind: Int] {
        try await database.fetching(.system) { tx in
            var heads: [PriceBook.Kind: Int] = [:]
            for kind in PriceBook.Kind.allCases { heads[kind] = try Self.head(of: kind, tx) }
            return heads
        }
    }

    package func current(_ kind: PriceBook.Kind, at time: Instant) async throws -> [PriceBook] {
        try await database.fetching(.system) { tx in
            try tx.rows(
                """
                SELECT * FROM price_book WHERE kind = $1 AND (effective > $2 OR version = (
                    SELECT version FROM price_book WHERE kind = $1 AND effective <= $2
                    ORDER BY effective DESC, version DESC LIMIT 1))
                ORDER BY effective, version
                """,
                [kind.rawValue, time]
            ).map(PriceBook.init(row:))
        }
    }

    private static func head(of kind: PriceBook.Kind, _ tx: any Tx) throws -> Int {
        let row = try tx.row(
            "SELECT version FROM price_book WHERE kind = $1 ORDER BY version DESC LIMIT 1", [kind.rawValue])
        return try row?.value("version") ?? 0
    }

    /// What tenants pay is never changed for a time that is over: its requests have been charged.
    private static func beginning(_ effective: Instant, of kind: PriceBook.Kind, now: Instant) throws -> Instant {
        if kind == .cost || effective >= now { return effective }
        guard now.microseconds - effective.microseconds <= tolerance.microseconds else {
            throw Problem(
                .validationError, "Prices begin now or later: \(effective) is over.", parameter: "effective",
                hint: "Leave it out for now. What was charged already is changed by credit, not by prices.")
        }
        return now
    }

    private static func changedMeanwhile(_ kind: PriceBook.Kind, _ last: Int?) -> Problem {
        Problem(
            .conflict, "Somebody wrote another version of the \(kind.rawValue)s meanwhile.", parameter: "after",
            hint: last.map { "The last version is \($0): read it, and try again." } ?? "Read it, and try again.")
    }

    private static func text(of content: PriceBook.Content) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(content), as: UTF8.self)
    }
}

extension PriceBook {
    init(row: Row) throws {
        let text: String = try row.value("content")
        guard let content = try? JSONDecoder().decode(Content.self, from: Data(text.utf8)) else {
            throw DatabaseFailure.corrupt("column content holds no price book")
        }
        self.init(
            kind: try row.value("kind"), version: try row.value("version"), effective: try row.value("effective"),
            content: content)
    }
}

extension PriceBookSummary {
    fileprivate init(row: Row) throws {
        self.init(
            kind: try row.value("kind"), version: try row.value("version"), effective: try row.value("effective"),
            written: try row.value("written"), entries: try row.value("entries"))
    }
}
