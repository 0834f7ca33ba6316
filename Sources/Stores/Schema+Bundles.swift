import Database

extension Schema {
    /// Requests of one posting whose transfers differ in amount alone share one transfer for each line: `bundle` is
    /// their number in the posting, `line` counts from 0, and the shares of line 0 stand in `share_1` of their usage
    /// rows.
    static let bundles = Migration(
        number: 8, name: "bundles", oldestBinary: BinaryVersion(0, 1, 0),
        statements: [
            "ALTER TABLE transfer ADD COLUMN bundle {int64}",
            "ALTER TABLE transfer ADD COLUMN line {int64}",
            "ALTER TABLE transfer ADD COLUMN requests {int64}",
            "ALTER TABLE usage ADD COLUMN posting_id TEXT",
            "ALTER TABLE usage ADD COLUMN bundle {int64}",
            "ALTER TABLE usage ADD COLUMN share_1 {int64}",
            "ALTER TABLE usage ADD COLUMN share_2 {int64}",
            "ALTER TABLE usage ADD COLUMN share_3 {int64}",
            "ALTER TABLE usage ADD COLUMN share_4 {int64}",
            "ALTER TABLE usage ADD COLUMN share_5 {int64}",
            "ALTER TABLE usage ADD COLUMN share_6 {int64}",
            "CREATE INDEX usage_by_posting ON usage (posting_id, request_id) WHERE posting_id IS NOT NULL",
        ])
}
