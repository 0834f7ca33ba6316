import Database

extension Schema {
    /// Tenants and workspaces that can be suspended and deleted, people and their places, keys with limits, access
    /// rules, sessions, the feed of revocations, the audit log, idempotency records, outside providers and sealed
    /// secrets.
    ///
    /// Lists of words without spaces are one column, as in `WordList`. `chain` is the tenant whose audit chain it is,
    /// or `platform`; `scope` of an idempotency record likewise the workspace, or `platform`.
    static let tenancy = Migration(
        number: 3, name: "tenancy", oldestBinary: BinaryVersion(0, 1, 0),
        statements: directory + keys + access + audit + idempotency + platform)

    private static let directory = [
        "ALTER TABLE tenant ADD COLUMN suspended {int64}",
        "ALTER TABLE tenant ADD COLUMN deleted {int64}",
        "ALTER TABLE tenant ADD COLUMN purge {int64}",
        "ALTER TABLE tenant ADD COLUMN purged {int64}",
        "ALTER TABLE workspace ADD COLUMN suspended {int64}",
        "ALTER TABLE workspace ADD COLUMN deleted {int64}",
        "ALTER TABLE workspace ADD COLUMN purge {int64}",
        "ALTER TABLE workspace ADD COLUMN purged {int64}",
        "CREATE INDEX tenant_by_purge ON tenant (purge) WHERE purge IS NOT NULL AND purged IS NULL",
        "CREATE INDEX workspace_by_purge ON workspace (purge) WHERE purge IS NOT NULL AND purged IS NULL",
        "CREATE INDEX workspace_by_tenant ON workspace (tenant_id, id)",
        // What refers to a workspace together with its tenant.
        "CREATE UNIQUE INDEX workspace_in_tenant ON workspace (id, tenant_id)",
        "{widen workspace id tenant_id}",
        """
        CREATE TABLE account (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            tenant_id TEXT REFERENCES tenant (id),
            name TEXT NOT NULL,
            is_operator {int64} NOT NULL,
            suspended {int64},
            created {int64} NOT NULL,
            password_hash TEXT,
            totp {blob},
            totp_step {int64}
        ) {strict}
        """,
        "CREATE UNIQUE INDEX account_of_person ON account (name) WHERE tenant_id IS NULL",
        "CREATE UNIQUE INDEX account_of_service ON account (tenant_id, name) WHERE tenant_id IS NOT NULL",
        "CREATE INDEX account_by_tenant ON account (tenant_id, id)",
        "{isolate account tenant_id of tenant}",
        """
        CREATE TABLE member (
            id TEXT PRIMARY KEY,
            tenant_id TEXT NOT NULL REFERENCES tenant (id),
            workspace_id TEXT,
            user_id TEXT NOT NULL REFERENCES account (id),
            role TEXT NOT NULL,
            created {int64} NOT NULL,
            FOREIGN KEY (workspace_id, tenant_id) REFERENCES workspace (id, tenant_id)
        ) {strict}
        """,
        "CREATE UNIQUE INDEX member_place ON member (user_id, tenant_id, COALESCE(workspace_id, ''))",
        "CREATE INDEX member_by_user ON member (user_id, tenant_id, id)",
        "CREATE INDEX member_by_tenant ON member (tenant_id, id)",
        "CREATE INDEX member_by_workspace ON member (workspace_id, id)",
        "{isolate member tenant_id of tenant}",
        """
        CREATE TABLE session (
            id TEXT PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES account (id),
            digest {blob} NOT NULL UNIQUE,
            created {int64} NOT NULL,
            expires {int64} NOT NULL,
            ended {int64}
        ) {strict}
        """,
        "CREATE INDEX session_by_user ON session (user_id)",
        "CREATE INDEX session_by_expiry ON session (expires)",
        "{reserve session}",
    ]

    /// A key that was made before has what it could do until now.
    private static let keys = [
        "ALTER TABLE api_key ADD COLUMN user_id TEXT REFERENCES account (id)",
        "ALTER TABLE api_key ADD COLUMN scopes TEXT NOT NULL DEFAULT 'inference:execute model:read'",
        "ALTER TABLE api_key ADD COLUMN environment TEXT NOT NULL DEFAULT 'production'",
        "ALTER TABLE api_key ADD COLUMN addresses TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE api_key ADD COLUMN successor_id TEXT",
        "ALTER TABLE api_key ADD COLUMN last_used {int64}",
        "CREATE INDEX api_key_by_user ON api_key (user_id) WHERE user_id IS NOT NULL",
        "CREATE INDEX api_key_by_successor ON api_key (successor_id) WHERE successor_id IS NOT NULL",
        "{bind api_key}",
    ]

    private static let access = [
        """
        CREATE TABLE access_rule (
            id TEXT PRIMARY KEY,
            tenant_id TEXT NOT NULL REFERENCES tenant (id),
            workspace_id TEXT,
            name TEXT NOT NULL,
            effect TEXT NOT NULL,
            actions TEXT NOT NULL,
            keys TEXT NOT NULL,
            models TEXT NOT NULL,
            environments TEXT NOT NULL,
            addresses TEXT NOT NULL,
            times TEXT NOT NULL,
            created {int64} NOT NULL,
            FOREIGN KEY (workspace_id, tenant_id) REFERENCES workspace (id, tenant_id)
        ) {strict}
        """,
        "CREATE INDEX access_rule_by_tenant ON access_rule (tenant_id, id)",
        "CREATE INDEX access_rule_by_workspace ON access_rule (workspace_id)",
        "{isolate access_rule tenant_id of tenant}",
        """
        CREATE TABLE revocation (
            sequence {int64} PRIMARY KEY,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            tenant_id TEXT,
            written {int64} NOT NULL
        ) {strict}
        """,
        "CREATE INDEX revocation_by_time ON revocation (written)",
        "{isolate revocation tenant_id of owner}",
        "{counter revocation}",
    ]

    /// No foreign keys: an event says what has happened, also to what is gone.
    private static let audit = [
        """
        CREATE TABLE audit_event (
            chain TEXT NOT NULL,
            sequence {int64} NOT NULL,
            id TEXT NOT NULL,
            workspace_id TEXT,
            happened {int64} NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            address TEXT,
            request_id TEXT,
            outcome TEXT NOT NULL,
            details TEXT NOT NULL,
            previous {blob} NOT NULL,
            seal {blob} NOT NULL,
            PRIMARY KEY (chain, sequence),
            UNIQUE (chain, id)
        ) {strict}
        """,
        "{isolate audit_event chain of owner}",
        "{append audit_event}",
        """
        CREATE TABLE audit_head (
            chain TEXT PRIMARY KEY,
            sequence {int64} NOT NULL,
            seal {blob} NOT NULL,
            changed {int64} NOT NULL
        ) {strict}
        """,
        "CREATE INDEX audit_head_by_change ON audit_head (changed)",
        "{isolate audit_head chain of owner}",
    ]

    /// `lease` is when the right to carry the request out ends: NULL when nobody has it. `status` is there once it was
    /// answered. `ends` is when the record counts no longer.
    private static let idempotency = [
        """
        CREATE TABLE idempotency (
            scope TEXT NOT NULL,
            route TEXT NOT NULL,
            name TEXT NOT NULL,
            fingerprint {blob} NOT NULL,
            epoch {int64} NOT NULL,
            lease {int64},
            status {int64},
            content_type TEXT,
            size {int64},
            ends {int64} NOT NULL,
            PRIMARY KEY (scope, route, name)
        ) {strict}
        """,
        "CREATE INDEX idempotency_by_end ON idempotency (ends)",
        "{isolate idempotency scope}",
        """
        CREATE TABLE idempotency_part (
            scope TEXT NOT NULL,
            route TEXT NOT NULL,
            name TEXT NOT NULL,
            number {int64} NOT NULL,
            bytes {blob} NOT NULL,
            PRIMARY KEY (scope, route, name, number),
            FOREIGN KEY (scope, route, name) REFERENCES idempotency (scope, route, name) ON DELETE CASCADE
        ) {strict}
        """,
        "{isolate idempotency_part scope}",
    ]

    private static let platform = [
        """
        CREATE TABLE provider (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            wire TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            created {int64} NOT NULL
        ) {strict}
        """,
        "{reserve provider}",
        "ALTER TABLE deployment ADD COLUMN provider_id TEXT REFERENCES provider (id)",
        """
        CREATE TABLE secret (
            name TEXT PRIMARY KEY,
            sealed {blob} NOT NULL,
            stored {int64} NOT NULL
        ) {strict}
        """,
        "{reserve secret}",
        """
        CREATE TABLE master_key_check (
            id {int64} PRIMARY KEY CHECK (id = 1),
            value {blob} NOT NULL
        ) {strict}
        """,
        "{reserve master_key_check}",
    ]
}
