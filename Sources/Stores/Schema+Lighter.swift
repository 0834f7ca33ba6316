import Database

extension Schema {
    /// Fewer rows and indexes for each request. A usage row holds the only attempt of its request: `only_cost_state` is
    /// there where it does. And what a provider itself said that a call cost.
    ///
    /// Indexes go whose order another one has as well: usage is listed by time, the transfers of a request and old
    /// decisions are found by their identifiers.
    static let lighter = Migration(
        number: 7, name: "lighter", oldestBinary: BinaryVersion(0, 1, 0),
        statements: [
            "ALTER TABLE attempt ADD COLUMN told {int64}",
            "ALTER TABLE attempt ADD COLUMN told_currency TEXT",
            "ALTER TABLE usage ADD COLUMN only_provider TEXT",
            "ALTER TABLE usage ADD COLUMN only_upstream TEXT",
            "ALTER TABLE usage ADD COLUMN only_cost_state TEXT",
            "ALTER TABLE usage ADD COLUMN only_told {int64}",
            "ALTER TABLE usage ADD COLUMN only_told_currency TEXT",
            "DROP INDEX usage_by_workspace",
            "DROP INDEX transfer_by_request",
            "DROP INDEX routing_decision_by_time",
        ])
}
