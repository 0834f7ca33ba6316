import Database
import Kernel
import Logging

/// Sees to it that the two roles are there, that the role that logs in may become each of them, and that they may use
/// tables made later.
///
/// Several nodes, also of several databases of one cluster, may do this at once: whoever loses a race looks again.
struct RolePreparation {
    private static let app = "volery_app"
    private static let system = "volery_system"
    private static let oldestServer = 150_000

    private struct Found {
        var login = ""
        var isSuperuser = false
        var mayMakeRoles = false
        var version = 0
        var encoding = ""
        /// Roles that exist.
        var existing: Set<String> = []
        /// Roles that the login role may become.
        var usable: Set<String> = []
        /// Roles that row-level security does not hold.
        var unbound: Set<String> = []
        var hasDefaults = false
        var schema: String?
        var canCreate = false
        var rolesCanUse = false

        /// Without INHERIT the login role has no rights through them, and only becomes them on purpose.
        var membership: String { version >= 160_000 ? " WITH INHERIT FALSE, SET TRUE" : "" }

        var isComplete: Bool { usable.count == 2 && hasDefaults && rolesCanUse }
    }

    let connection: PostgresConnection
    let logger: Logger

    /// - Throws: `Problem(.configurationInvalid)`; `SessionFailure`.
    func run() throws {
        var lastError: ServerError?
        for _ in 0..<5 {
            let found = try look()
            try check(found)
            if found.isComplete { return warn(found) }
            do {
                try make(found)
            } catch SessionFailure.refused(let error) {
                try connection.command("ROLLBACK")
                if error.state == "42501" { throw refusal(found, error) }
                lastError = error
            }
        }
        if let lastError { throw SessionFailure.refused(lastError) }
        throw refusal(try look(), nil)
    }

    /// Whether nothing is left to make. Changes nothing.
    /// - Throws: as `run`, also when it is certain that `run` could not make what is missing.
    func isDone() throws -> Bool {
        let found = try look()
        try check(found)
        if found.existing.count < 2, !found.mayMakeRoles { throw refusal(found, nil) }
        return found.isComplete
    }

    private func look() throws -> Found {
        var found = Found()
        let session = try connection.query(
            """
            SELECT current_user AS login, rolsuper AS superuser, rolsuper OR rolcreaterole AS makes_roles,
                current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
                current_schema() AS schema,
                COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AS can_create,
                EXISTS (SELECT 1 FROM pg_default_acl d WHERE d.defaclrole = r.oid AND d.defaclnamespace = 0
                    AND d.defaclobjtype = 'r' AND array_to_string(d.defaclacl, ' ') LIKE '%volery_app=arwd%'
                    AND array_to_string(d.defaclacl, ' ') LIKE '%volery_system=arwd%') AS defaults
            FROM pg_roles r WHERE rolname = current_user
            """, [])
        guard let row = try session.rows().first else { throw SessionFailure.lost("the server knows no such role") }
        found.login = try row.value("login")
        found.isSuperuser = try row.value("superuser")
        found.mayMakeRoles = try row.value("makes_roles")
        found.version = try row.value("version")
        found.encoding = try row.value("encoding")
        found.schema = try row.value("schema")
        found.canCreate = try row.value("can_create")
        found.hasDefaults = try row.value("defaults")
        // Before version 16 a member may always SET ROLE.
        let privilege = found.version >= 160_000 ? "SET" : "MEMBER"
        let roles = try connection.query(
            """
            SELECT rolname AS name, pg_has_role(current_user, oid, $1) AS usable, rolsuper OR rolbypassrls AS unbound,
                COALESCE(has_schema_privilege(oid, current_schema(), 'USAGE'), false) AS can_use
            FROM pg_roles WHERE rolname IN ('volery_app', 'volery_system')
            """, [.text(privilege)]
        ).rows()
        found.rolesCanUse = true
        for row in roles {
            let name: String = try row.value("name")
            found.existing.insert(name)
            if try row.value("usable") { found.usable.insert(name) }
            if try row.value("unbound") { found.unbound.insert(name) }
            if try !row.value("can_use", as: Bool.self) { found.rolesCanUse = false }
        }
        return found
    }

    private func check(_ found: Found) throws {
        if found.version < Self.oldestServer {
            throw Problem(.configurationInvalid, "PostgreSQL 15 or newer is needed.", hint: "Upgrade the server.")
        }
        if found.encoding != "UTF8" {
            throw Problem(
                .configurationInvalid, "The database's encoding is \(found.encoding).",
                hint: "Make a database with ENCODING 'UTF8'.")
        }
        if let role = found.unbound.sorted().first {
            throw Problem(
                .configurationInvalid, "The database role \(role) is not held to row-level security.",
                hint: "As an administrator: ALTER ROLE \(role) NOSUPERUSER NOBYPASSRLS;")
        }
        if !found.canCreate { throw refusal(found, nil) }
    }

    /// In one transaction. The lock keeps apart those who do this in the same database; roles belong to the whole
    /// cluster, where the loser of a race meets 42710, 23505 or XX000 ("tuple concurrently updated").
    private func make(_ found: Found) throws {
        try connection.command("BEGIN; SELECT pg_advisory_xact_lock(\(PostgresDatabase.schemaLock))")
        for role in [Self.app, Self.system] {
            if !found.existing.contains(role) {
                try connection.command("CREATE ROLE " + role + " NOLOGIN NOBYPASSRLS NOINHERIT")
            }
            if !found.usable.contains(role) {
                try connection.command("GRANT " + role + " TO CURRENT_USER" + found.membership)
            }
        }
        if let schema = found.schema, !found.rolesCanUse || found.existing.count < 2 {
            try connection.command(
                "GRANT USAGE ON SCHEMA " + connection.quoted(schema) + " TO volery_app, volery_system")
        }
        try connection.command(
            """
            ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO volery_app, volery_system;
            ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO volery_app, volery_system;
            COMMIT
            """)
    }

    private func refusal(_ found: Found, _ error: ServerError?) -> Problem {
        if let error { logger.error("the database's roles cannot be made", metadata: ["error": "\(error)"]) }
        let login = (try? connection.quoted(found.login)) ?? "THE_LOGIN_ROLE"
        let schema = (try? connection.quoted(found.schema ?? "public")) ?? "public"
        let missing = [Self.app, Self.system].filter { !found.existing.contains($0) }
            .map { "CREATE ROLE \($0) NOLOGIN NOBYPASSRLS NOINHERIT; " }.joined()
        return Problem(
            .configurationInvalid, "The database lacks roles or rights that Volery needs and may not make itself.",
            hint: "As an administrator: \(missing)GRANT volery_app, volery_system TO \(login)\(found.membership); "
                + "GRANT USAGE, CREATE ON SCHEMA \(schema) TO \(login); "
                + "GRANT USAGE ON SCHEMA \(schema) TO volery_app, volery_system;")
    }

    /// Bodies do not run as the superuser, so row-level security holds; but one statement too many could leave the
    /// role, and then nothing would.
    private func warn(_ found: Found) {
        guard found.isSuperuser else { return }
        logger.warning(
            "Volery logs in to the database as a superuser; let it use a role of its own without SUPERUSER",
            metadata: ["role": "\(found.login)"])
    }
}
