package import Billing
package import Database
import Kernel

/// The chain of postings as rows. Whoever adds links writes their numbers, so that of several only one gets on.
package struct DatabaseLedgerChain: LedgerLinks {
    private let database: any Database
    private let sealer: any LedgerSealer

    /// - Parameter sealer: for links.
    package init(_ database: any Database, linking sealer: any LedgerSealer) {
        self.database = database
        self.sealer = sealer
    }

    package func link(limit: Int) async throws -> Int {
        do {
            return try await database.storing(.system) { [sealer] tx in try Self.link(limit, sealer, tx) }
        } catch is SomebodyElseLinks {
            return 0
        }
    }

    private static func link(_ limit: Int, _ sealer: any LedgerSealer, _ tx: any Tx) throws -> Int {
        let waiting = try tx.rows(
            """
            SELECT p.id, p.transfers, p.digest, p.posted FROM posting_unlinked u JOIN posting p ON p.id = u.posting_id
            ORDER BY u.posting_id LIMIT $1
            """, [limit])
        guard !waiting.isEmpty else { return 0 }
        let last = try tx.row("SELECT number, seal FROM ledger_link ORDER BY number DESC LIMIT 1")
        var number = try last?.value("number", as: Int64.self) ?? 0
        var seal = try last?.value("seal", as: Bytes.self).bytes ?? LedgerChain.beginning
        var links = adding.block(rows: waiting.count)
        for row in waiting {
            let posting = Posting(
                id: try row.value("id"), transfers: try row.value("transfers"),
                digest: try row.value("digest", as: Bytes.self).bytes, posted: try row.value("posted"))
            number += 1
            let link = LedgerLink(number: number, previous: seal, posting: posting, sealer: sealer)
            links.add(number)
            links.add(posting.id)
            links.add(link.previous)
            links.add(link.seal)
            links.add(tx.now)
            seal = link.seal
        }
        guard try tx.run(adding, links) == links.count else { throw SomebodyElseLinks() }
        for row in waiting {
            try tx.run("DELETE FROM posting_unlinked WHERE posting_id = $1", [try row.value("id", as: String.self)])
        }
        return links.count
    }

    private static let adding = RowsStatement(
        "INSERT INTO ledger_link (number, posting_id, previous, seal, linked)", columns: 5, " ON CONFLICT DO NOTHING")

    package func links(after number: Int64, limit: Int) async throws -> [LinkRow] {
        try await database.fetching(.system) { tx in
            try tx.rows(LinkRow.sql, [number, limit]).map(LinkRow.init(row:))
        }
    }

    package func head() async throws -> LedgerHead? {
        try await database.fetching(.system) { tx in
            guard let row = try tx.row("SELECT number, seal FROM ledger_link ORDER BY number DESC LIMIT 1") else {
                return nil
            }
            return LedgerHead(
                number: try row.value("number"), seal: try row.value("seal", as: Bytes.self).bytes)
        }
    }
}

/// Their links stand; ours are undone.
private struct SomebodyElseLinks: Error {}
