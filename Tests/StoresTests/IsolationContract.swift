import Database
import Inference
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

/// The second wall around every table there is: what PostgreSQL refuses when a statement has no condition at all.
///
/// The tables come from the database's own catalog: one that is added without a case here fails.
@Suite struct IsolationContract {
    /// Whose a table's rows are, and the column that says so.
    enum Wall: Sendable {
        /// A workspace's; nobody else's.
        case workspace(String)
        /// A tenant's as a whole.
        case tenant(String)
        /// A tenant's, within reach of its workspaces too.
        case owner(String)
        /// The workspaces themselves: each sees itself, and its tenant all of them.
        case workspaces
        /// Nobody's.
        case reserved
    }

    static let walls: [String: Wall] = [
        "workspace": .workspaces,
        "api_key": .workspace("workspace_id"),
        "usage": .workspace("workspace_id"),
        "idempotency": .workspace("scope"),
        "idempotency_part": .workspace("scope"),
        "account": .tenant("tenant_id"),
        "member": .tenant("tenant_id"),
        "access_rule": .tenant("tenant_id"),
        "audit_event": .owner("chain"),
        "audit_head": .owner("chain"),
        "revocation": .owner("tenant_id"),
        "tenant": .reserved,
        "session": .reserved,
        "deployment": .reserved,
        "provider": .reserved,
        "secret": .reserved,
        "master_key_check": .reserved,
        "migration": .reserved,
        "revocation_counter": .reserved,
        "attempt": .workspace("workspace_id"),
        "workspace_routing": .workspace("workspace_id"),
        "routing_decision": .workspace("workspace_id"),
        "routing_batch": .workspace("workspace_id"),
        "ledger_account": .owner("tenant_id"),
        "transfer": .owner("tenant_id"),
        "budget": .owner("tenant_id"),
        "budget_event": .owner("tenant_id"),
        "rate_limit": .owner("tenant_id"),
        "wallet_rule": .owner("tenant_id"),
        "credit_grant": .owner("tenant_id"),
        "tenant_plan": .owner("tenant_id"),
        "suspense_item": .owner("tenant_id"),
        "price_book": .reserved,
        "posting": .reserved,
        "posting_unlinked": .reserved,
        "ledger_link": .reserved,
        "billing_node": .reserved,
        "escrow": .reserved,
        "escrow_want": .reserved,
        "rate_bucket": .reserved,
        "rate_slot": .reserved,
        "spending_counter": .reserved,
        "routing_counter": .reserved,
    ]

    @Test("every table has a wall, and a case here", arguments: StoreAdapter.walled)
    func everyTable(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let rows = try await world.walled.read(.system) { tx in
            try tx.rows(
                """
                SELECT relname::text AS name, relrowsecurity AND relforcerowsecurity AS walled,
                    has_table_privilege('volery_app', oid, 'SELECT, INSERT, UPDATE, DELETE') AS open
                FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
                """
            ).map {
                (
                    name: try $0.value("name", as: String.self), walled: try $0.value("walled", as: Bool.self),
                    open: try $0.value("open", as: Bool.self)
                )
            }
        }
        #expect(Set(rows.map(\.name)) == Set(Self.walls.keys))
        for row in rows {
            guard let wall = Self.walls[row.name] else { continue }
            if case .reserved = wall {
                #expect(!row.open, "\(row.name) is within every workspace's reach")
            } else {
                #expect(row.walled, "\(row.name) has no row-level security")
            }
        }
    }

    @Test("statements without a condition see and change one's own rows alone", arguments: StoreAdapter.walled)
    func ownRowsAlone(adapter: StoreAdapter) async throws {
        let town = try await Town.build(adapter)
        for (table, wall) in Self.walls {
            for visitor in [town.other, town.sibling] {
                for side in visitor.sides {
                    try await town.expectOwn(table, wall, side)
                }
            }
        }
    }

    @Test("nobody writes a row for somebody else, nor gives an own one away", arguments: StoreAdapter.walled)
    func noForgery(adapter: StoreAdapter) async throws {
        let town = try await Town.build(adapter)
        for (table, wall) in Self.walls {
            for visitor in [town.other, town.sibling] {
                for side in visitor.sides {
                    try await town.expectNoForgery(table, wall, side)
                }
            }
        }
    }

    @Test("what belongs to the platform is out of every tenant's reach", arguments: StoreAdapter.walled)
    func reserved(adapter: StoreAdapter) async throws {
        let town = try await Town.build(adapter)
        for (table, wall) in Self.walls {
            guard case .reserved = wall else { continue }
            let kept = try await town.rows(of: table)
            #expect(!kept.isEmpty, "\(table) has no row to be hidden")
            for side in town.home.sides {
                for sql in ["SELECT * FROM \(table)", "DELETE FROM \(table)", "INSERT INTO \(table) DEFAULT VALUES"] {
                    #expect(await town.refusal(of: sql, [], side.scope) == .permission, "\(sql) as \(side)")
                }
            }
            #expect(try await town.rows(of: table) == kept)
        }
    }

    @Test("a key cannot be made for one's own workspace and another tenant", arguments: StoreAdapter.walled)
    func boundKey(adapter: StoreAdapter) async throws {
        let town = try await Town.build(adapter)
        let (home, other) = (town.home.workspace, town.other.workspace)
        let scope = Scope.workspace(other.id)
        #expect(
            await town.refusal(of: "UPDATE api_key SET tenant_id = $1", [home.tenant], scope) == .permission)
        #expect(
            await town.refusal(
                of: """
                    INSERT INTO api_key (id, tenant_id, workspace_id, name, prefix, hash, created)
                    VALUES ('key_x', $1, $2, 'x', 'x', 'x', 0)
                    """, [home.tenant, other.id], scope) == .permission)
        let moved = try await town.database.write(scope) { tx in
            try tx.run("UPDATE workspace SET tenant_id = $1", [home.tenant])
        }
        #expect(moved == 0, "a workspace does not move itself to another tenant")
        let member = "INSERT INTO member VALUES ('mem_x', $1, $2, $3, 'owner', 0)"
        #expect(
            await town.refusal(of: member, [other.tenant, home.id, town.person], .tenant(other.tenant)) == .constraint,
            "nor does a tenant give itself a place in another's workspace")
    }
}

extension StoreWorld {
    fileprivate var walled: any Database {
        get throws { try #require(database) }
    }
}
