/// What keeps the rows of workspaces and tenants apart in the database itself, and what only grows from shrinking.
/// Most of it is nothing on SQLite.
///
/// Entries of migrations:
/// - `{isolate TABLE COLUMN}`: rows of a workspace, in that workspace's scope alone.
/// - `{isolate TABLE COLUMN of tenant}`: rows of a tenant, in that tenant's scope alone.
/// - `{isolate TABLE COLUMN of owner}`: rows of a tenant, in its own scope and in those of its workspaces.
/// - `{widen TABLE COLUMN TENANT}`: rows of a workspace are only read in its own scope, and are its tenant's to change.
/// - `{bind TABLE}`: the `tenant_id` of a row is the one that its `workspace_id` belongs to.
/// - `{reserve TABLE}`: rows that belong to nobody, for the system alone.
/// - `{append TABLE}`: rows are added, and never changed or removed.
/// - `{lock TABLE}`: rows are written by the system alone.
/// - `{counter NAME}`: a number that every scope may draw, and none may set.
struct SecondWall: Sendable, Equatable {
    fileprivate var isolation: [String] = []
    fileprivate var isolationOfTenant: [String] = []
    fileprivate var isolationOfOwner: [String] = []
    fileprivate var widening: [String] = []
    fileprivate var binding: [String] = []
    fileprivate var reservation: [String] = []
    fileprivate var appending: [String] = []
    fileprivate var locking: [String] = []
    fileprivate var counter: [String] = []
    fileprivate var drawing = ""

    /// - Returns: nil for an entry that is a statement of its own.
    func statements(_ entry: String) -> [String]? {
        guard entry.hasPrefix("{"), entry.hasSuffix("}"), !entry.dropFirst().contains("{") else { return nil }
        let words = entry.dropFirst().dropLast().split(separator: " ").map(String.init)
        guard words.count >= 2 else { return nil }
        let (table, rest) = (words[1], Array(words.dropFirst(2)))
        switch (words[0], rest.count) {
        case ("isolate", 1): return filled(isolation, table, rest[0])
        case ("isolate", 3) where rest[1...] == ["of", "tenant"]: return filled(isolationOfTenant, table, rest[0])
        case ("isolate", 3) where rest[1...] == ["of", "owner"]: return filled(isolationOfOwner, table, rest[0])
        case ("widen", 2): return filled(widening, table, rest[0], tenant: rest[1])
        case ("bind", 0): return filled(binding, table)
        case ("reserve", 0): return filled(reservation, table)
        case ("append", 0): return filled(appending, table)
        case ("lock", 0): return filled(locking, table)
        case ("counter", 0): return filled(counter, table)
        default: return nil
        }
    }

    func draw(from counter: String) -> String { drawing.replacing("{table}", with: counter) }

    private func filled(
        _ templates: [String], _ table: String, _ column: String = "", tenant: String = ""
    ) -> [String] {
        templates.map {
            $0.replacing("{table}", with: table).replacing("{column}", with: column)
                .replacing("{tenant}", with: tenant)
        }
    }
}

extension SecondWall {
    static let sqlite = SecondWall(
        appending: [
            """
            CREATE TRIGGER {table}_is_final BEFORE UPDATE ON {table}
                BEGIN SELECT RAISE(ABORT, '{table} is only added to'); END
            """,
            """
            CREATE TRIGGER {table}_is_kept BEFORE DELETE ON {table}
                BEGIN SELECT RAISE(ABORT, '{table} is only added to'); END
            """,
        ],
        counter: [
            "CREATE TABLE {table}_counter (id INTEGER PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL) STRICT",
            "INSERT INTO {table}_counter (id, last) VALUES (1, 0)",
        ],
        drawing: "UPDATE {table}_counter SET last = last + 1 RETURNING last AS number")

    static let postgres = SecondWall(
        isolation: forced + [
            """
            CREATE POLICY {table}_of_workspace ON {table} TO volery_app
                USING ({column} = NULLIF(current_setting('app.workspace_id', true), ''))
                WITH CHECK ({column} = NULLIF(current_setting('app.workspace_id', true), ''))
            """, ofAll,
        ],
        isolationOfTenant: forced + [
            """
            CREATE POLICY {table}_of_tenant ON {table} TO volery_app
                USING ({column} = NULLIF(current_setting('app.tenant_id', true), ''))
                WITH CHECK ({column} = NULLIF(current_setting('app.tenant_id', true), ''))
            """, ofAll,
        ],
        isolationOfOwner: forced + [
            """
            CREATE POLICY {table}_of_owner ON {table} TO volery_app
                USING ({column} = NULLIF(current_setting('app.tenant_id', true), '') OR {column} = (
                    SELECT tenant_id FROM workspace WHERE id = NULLIF(current_setting('app.workspace_id', true), '')))
                WITH CHECK ({column} = NULLIF(current_setting('app.tenant_id', true), '') OR {column} = (
                    SELECT tenant_id FROM workspace WHERE id = NULLIF(current_setting('app.workspace_id', true), '')))
            """, ofAll,
        ],
        widening: [
            "DROP POLICY {table}_of_workspace ON {table}",
            """
            CREATE POLICY {table}_of_workspace ON {table} FOR SELECT TO volery_app
                USING ({column} = NULLIF(current_setting('app.workspace_id', true), ''))
            """,
            """
            CREATE POLICY {table}_of_tenant ON {table} TO volery_app
                USING ({tenant} = NULLIF(current_setting('app.tenant_id', true), ''))
                WITH CHECK ({tenant} = NULLIF(current_setting('app.tenant_id', true), ''))
            """,
        ],
        binding: [
            """
            CREATE POLICY {table}_bound_when_added ON {table} AS RESTRICTIVE FOR INSERT TO volery_app
                WITH CHECK (tenant_id = (SELECT w.tenant_id FROM workspace w WHERE w.id = {table}.workspace_id))
            """,
            """
            CREATE POLICY {table}_bound_when_changed ON {table} AS RESTRICTIVE FOR UPDATE TO volery_app USING (true)
                WITH CHECK (tenant_id = (SELECT w.tenant_id FROM workspace w WHERE w.id = {table}.workspace_id))
            """,
        ],
        reservation: ["REVOKE ALL ON {table} FROM volery_app"],
        appending: ["REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM volery_app, volery_system"],
        locking: ["REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM volery_app"],
        counter: [
            "CREATE TABLE {table}_counter (id BIGINT PRIMARY KEY CHECK (id = 1), last BIGINT NOT NULL)",
            "INSERT INTO {table}_counter (id, last) VALUES (1, 0)",
            "REVOKE ALL ON {table}_counter FROM volery_app",
            // Runs as the owner of the table. Its name comes with its schema: a temporary table of the caller's could
            // stand before it.
            """
            DO $$ BEGIN EXECUTE format(
                'CREATE FUNCTION draw_{table}() RETURNS BIGINT LANGUAGE sql SECURITY DEFINER AS '
                || '''UPDATE %I.{table}_counter SET last = last + 1 RETURNING last''', current_schema());
            END $$
            """,
            "REVOKE ALL ON FUNCTION draw_{table}() FROM PUBLIC",
            "GRANT EXECUTE ON FUNCTION draw_{table}() TO volery_app, volery_system",
        ],
        drawing: "SELECT draw_{table}() AS number")

    /// FORCE holds the tables' owner to the policies too: the owner, who migrates, has one of its own.
    ///
    /// After a transaction that set it locally, a setting reads as '', not as NULL.
    private static let forced = [
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY", "ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
    ]

    private static let ofAll =
        """
        CREATE POLICY {table}_of_all ON {table} TO volery_system, CURRENT_USER
            USING (true) WITH CHECK (true)
        """
}
