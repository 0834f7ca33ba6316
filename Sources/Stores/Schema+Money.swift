import Database

extension Schema {
    /// Prices, the ledger, budgets, limits, credit, and what usage rows say of money. Amounts are integers in the
    /// smallest units of their asset.
    static let money = Migration(
        number: 4, name: "money", oldestBinary: BinaryVersion(0, 1, 0),
        statements: books + ledger + escrow + budgets + limits + credit + usageMoney + ["{counter spending}"])

    private static let books = [
        """
        CREATE TABLE price_book (
            kind TEXT NOT NULL,
            version {int64} NOT NULL,
            effective {int64} NOT NULL,
            written {int64} NOT NULL,
            entries {int64} NOT NULL,
            content TEXT NOT NULL,
            PRIMARY KEY (kind, version)
        ) {strict}
        """,
        "{reserve price_book}",
        "{append price_book}",
    ]

    /// `account` is a user's since migration 3; hence `ledger_account`.
    ///
    /// `debits`, `credits` and `pending` are kept for accounts with a limit, which guard by them, and for budgets,
    /// whose alerts go by them. For all others they stay 0, and are summed from the transfers when somebody asks.
    /// `highest_limit` is the most that a limit has been that was changed: what was spent under it broke no rule.
    private static let ledger = [
        """
        CREATE TABLE ledger_account (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            asset TEXT NOT NULL,
            tenant_id TEXT,
            workspace_id TEXT,
            subject TEXT NOT NULL,
            credit_limit {int64},
            highest_limit {int64},
            begins {int64},
            ends {int64},
            debits {int64} NOT NULL DEFAULT 0,
            credits {int64} NOT NULL DEFAULT 0,
            pending {int64} NOT NULL DEFAULT 0,
            opened {int64} NOT NULL
        ) {strict}
        """,
        "CREATE INDEX ledger_account_by_tenant ON ledger_account (tenant_id, workspace_id)",
        "CREATE INDEX ledger_account_by_subject ON ledger_account (subject, begins)",
        "{isolate ledger_account tenant_id of owner}",
        "{lock ledger_account}",
        """
        CREATE TABLE transfer (
            id TEXT PRIMARY KEY,
            posting_id TEXT NOT NULL,
            place {int64} NOT NULL,
            kind TEXT NOT NULL,
            reason TEXT NOT NULL,
            debit_account TEXT NOT NULL,
            credit_account TEXT NOT NULL,
            asset TEXT NOT NULL,
            amount {int64} NOT NULL,
            escrow_id TEXT,
            request_id TEXT,
            tenant_id TEXT,
            workspace_id TEXT,
            accepted {int64} NOT NULL,
            posted {int64} NOT NULL
        ) {strict}
        """,
        "CREATE INDEX transfer_by_debit ON transfer (debit_account, posting_id, place)",
        "CREATE INDEX transfer_by_credit ON transfer (credit_account, posting_id, place)",
        "CREATE INDEX transfer_by_request ON transfer (request_id, posting_id, place)",
        // What rolling budgets count, by the time that their windows go by.
        "CREATE INDEX transfer_by_count ON transfer (debit_account, posted) WHERE reason IN ('count', 'write_off')",
        // Up to where those windows have been moved.
        "CREATE INDEX transfer_by_roll ON transfer (credit_account, accepted) WHERE reason = 'roll'",
        "CREATE INDEX transfer_by_posting ON transfer (posting_id, place)",
        "{isolate transfer tenant_id of owner}",
        "{lock transfer}",
        "{append transfer}",
        // What one transaction added, with a keyed digest of it; linked into the chain afterwards.
        """
        CREATE TABLE posting (
            id TEXT PRIMARY KEY,
            transfers {int64} NOT NULL,
            digest {blob} NOT NULL,
            posted {int64} NOT NULL
        ) {strict}
        """,
        "{reserve posting}",
        "{append posting}",
        "CREATE TABLE posting_unlinked (posting_id TEXT PRIMARY KEY) {strict}",
        "{reserve posting_unlinked}",
        """
        CREATE TABLE ledger_link (
            number {int64} PRIMARY KEY,
            posting_id TEXT NOT NULL UNIQUE,
            previous {blob} NOT NULL,
            seal {blob} NOT NULL,
            linked {int64} NOT NULL
        ) {strict}
        """,
        "{reserve ledger_link}",
        "{append ledger_link}",
    ]

    private static let escrow = [
        """
        CREATE TABLE billing_node (
            id TEXT PRIMARY KEY,
            life {int64} NOT NULL,
            expires {int64} NOT NULL,
            state TEXT NOT NULL,
            changed {int64} NOT NULL
        ) {strict}
        """,
        "{reserve billing_node}",
        """
        CREATE TABLE escrow (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES ledger_account (id),
            node_id TEXT NOT NULL,
            life {int64} NOT NULL,
            remaining {int64} NOT NULL,
            opened {int64} NOT NULL,
            ended {int64}
        ) {strict}
        """,
        "CREATE INDEX escrow_by_node ON escrow (node_id, life) WHERE ended IS NULL",
        "CREATE INDEX escrow_by_account ON escrow (account_id)",
        "{reserve escrow}",
        """
        CREATE TABLE escrow_want (
            account_id TEXT NOT NULL,
            node_id TEXT NOT NULL,
            wanted {int64} NOT NULL,
            PRIMARY KEY (account_id, node_id)
        ) {strict}
        """,
        "CREATE INDEX escrow_want_by_time ON escrow_want (wanted)",
        "{reserve escrow_want}",
    ]

    /// `identity` is scope, asset, period and hardness as one text; of the budgets that are not removed each has
    /// another.
    private static let budgets = [
        """
        CREATE TABLE budget (
            id TEXT PRIMARY KEY,
            tenant_id TEXT NOT NULL REFERENCES tenant (id),
            workspace_id TEXT,
            user_id TEXT,
            key_id TEXT,
            model TEXT,
            tag TEXT,
            asset TEXT NOT NULL,
            amount {int64} NOT NULL,
            period TEXT NOT NULL,
            is_hard {int64} NOT NULL,
            alerts TEXT NOT NULL,
            identity TEXT NOT NULL,
            created {int64} NOT NULL,
            removed {int64}
        ) {strict}
        """,
        "CREATE UNIQUE INDEX budget_by_identity ON budget (tenant_id, identity) WHERE removed IS NULL",
        """
        CREATE INDEX budget_by_window ON budget (id)
            WHERE removed IS NULL AND period >= 'rolling:' AND period < 'rolling;'
        """,
        "CREATE INDEX budget_by_spender ON budget (tenant_id, key_id, user_id) WHERE removed IS NULL",
        "{isolate budget tenant_id of owner}",
        """
        CREATE TABLE budget_event (
            account_id TEXT NOT NULL,
            share {int64} NOT NULL,
            budget_id TEXT NOT NULL,
            tenant_id TEXT NOT NULL,
            spent {int64} NOT NULL,
            happened {int64} NOT NULL,
            PRIMARY KEY (account_id, share)
        ) {strict}
        """,
        "CREATE INDEX budget_event_by_budget ON budget_event (budget_id, happened)",
        "{isolate budget_event tenant_id of owner}",
        "{lock budget_event}",
    ]

    /// `model` is empty for a limit over all models. Levels and what nodes hold are in sixty-millionths of a request or
    /// token; `held` was taken in the turn of `changed`, `held_before` in the one before.
    private static let limits = [
        """
        CREATE TABLE rate_limit (
            id TEXT PRIMARY KEY,
            tenant_id TEXT NOT NULL REFERENCES tenant (id),
            workspace_id TEXT,
            subject_kind TEXT NOT NULL,
            subject_id TEXT NOT NULL,
            model TEXT NOT NULL,
            quantity TEXT NOT NULL,
            amount {int64} NOT NULL,
            changed {int64} NOT NULL,
            UNIQUE (subject_kind, subject_id, tenant_id, model, quantity)
        ) {strict}
        """,
        "CREATE INDEX rate_limit_by_tenant ON rate_limit (tenant_id)",
        "{isolate rate_limit tenant_id of owner}",
        """
        CREATE TABLE rate_bucket (
            limit_id TEXT PRIMARY KEY,
            level {int64} NOT NULL,
            changed {int64} NOT NULL,
            amount {int64} NOT NULL,
            held {int64} NOT NULL,
            held_before {int64} NOT NULL
        ) {strict}
        """,
        "CREATE INDEX rate_bucket_by_time ON rate_bucket (changed)",
        "{reserve rate_bucket}",
        """
        CREATE TABLE rate_slot (
            limit_id TEXT NOT NULL,
            node_id TEXT NOT NULL,
            slots {int64} NOT NULL,
            expires {int64} NOT NULL,
            PRIMARY KEY (limit_id, node_id)
        ) {strict}
        """,
        "CREATE INDEX rate_slot_by_node ON rate_slot (node_id)",
        "{reserve rate_slot}",
    ]

    /// `workspace_id` is empty in the rule of a whole tenant.
    private static let credit = [
        """
        CREATE TABLE wallet_rule (
            tenant_id TEXT NOT NULL REFERENCES tenant (id),
            workspace_id TEXT NOT NULL,
            mode TEXT NOT NULL,
            currency TEXT NOT NULL,
            changed {int64} NOT NULL,
            PRIMARY KEY (tenant_id, workspace_id)
        ) {strict}
        """,
        "{isolate wallet_rule tenant_id of owner}",
        "{lock wallet_rule}",
        """
        CREATE TABLE credit_grant (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL UNIQUE REFERENCES ledger_account (id),
            tenant_id TEXT NOT NULL REFERENCES tenant (id),
            workspace_id TEXT,
            amount {int64} NOT NULL,
            currency TEXT NOT NULL,
            priority {int64} NOT NULL,
            created {int64} NOT NULL,
            expires {int64},
            note TEXT NOT NULL,
            price_version {int64},
            lapsed {int64}
        ) {strict}
        """,
        "CREATE INDEX credit_grant_by_tenant ON credit_grant (tenant_id, workspace_id)",
        "CREATE INDEX credit_grant_by_end ON credit_grant (expires)",
        "{isolate credit_grant tenant_id of owner}",
        "{lock credit_grant}",
        """
        CREATE TABLE tenant_plan (
            tenant_id TEXT PRIMARY KEY REFERENCES tenant (id),
            plan TEXT NOT NULL,
            since {int64} NOT NULL,
            granted_until {int64}
        ) {strict}
        """,
        "{isolate tenant_plan tenant_id of owner}",
        "{lock tenant_plan}",
    ]

    /// `tags` is empty, or the tags with a comma before, between and after them.
    private static let usageMoney = [
        "ALTER TABLE usage ADD COLUMN tenant_id TEXT",
        "ALTER TABLE usage ADD COLUMN user_id TEXT",
        "ALTER TABLE usage ADD COLUMN tags TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE usage ADD COLUMN cached_tokens {int64} NOT NULL DEFAULT 0",
        "ALTER TABLE usage ADD COLUMN reasoning_tokens {int64} NOT NULL DEFAULT 0",
        "ALTER TABLE usage ADD COLUMN bill_state TEXT NOT NULL DEFAULT 'free'",
        "ALTER TABLE usage ADD COLUMN price {int64}",
        "ALTER TABLE usage ADD COLUMN price_currency TEXT",
        "ALTER TABLE usage ADD COLUMN cost {int64}",
        "ALTER TABLE usage ADD COLUMN cost_currency TEXT",
        "ALTER TABLE usage ADD COLUMN umu {int64}",
        "ALTER TABLE usage ADD COLUMN price_version {int64} NOT NULL DEFAULT 0",
        "ALTER TABLE usage ADD COLUMN cost_version {int64} NOT NULL DEFAULT 0",
        """
        CREATE TABLE attempt (
            request_id TEXT NOT NULL,
            number {int64} NOT NULL,
            workspace_id TEXT NOT NULL,
            deployment_id TEXT NOT NULL,
            upstream TEXT,
            cost_state TEXT NOT NULL,
            PRIMARY KEY (request_id, number)
        ) {strict}
        """,
        "{isolate attempt workspace_id}",
        """
        CREATE TABLE suspense_item (
            request_id TEXT PRIMARY KEY,
            workspace_id TEXT NOT NULL,
            tenant_id TEXT NOT NULL,
            reason TEXT NOT NULL,
            amount {int64},
            currency TEXT,
            accepted {int64} NOT NULL,
            written {int64} NOT NULL,
            resolved {int64}
        ) {strict}
        """,
        "CREATE INDEX suspense_item_waiting ON suspense_item (request_id) WHERE resolved IS NULL",
        "{isolate suspense_item tenant_id of owner}",
        "{lock suspense_item}",
    ]
}
