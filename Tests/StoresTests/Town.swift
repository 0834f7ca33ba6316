import Database
import Inference
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

/// Two tenants and three workspaces with something of everything, so that no table is empty.
struct Town: Sendable {
    /// A workspace, and the two scopes that act for it.
    struct House: Sendable {
        let workspace: Workspace

        var sides: [Side] { [.workspace(workspace), .tenant(workspace.tenant)] }
    }

    enum Side: Sendable, CustomStringConvertible {
        case workspace(Workspace)
        case tenant(TenantID)

        var scope: Scope {
            switch self {
            case .workspace(let workspace): .workspace(workspace.id)
            case .tenant(let id): .tenant(id)
            }
        }

        var description: String { "\(scope)" }
    }

    enum Refusal: Sendable {
        /// By a role's rights or by row-level security.
        case permission
        /// By a key or a check: the wall let it through.
        case constraint
        case other
    }

    let database: any Database
    let home: House
    /// Another workspace of the same tenant.
    let sibling: House
    /// Of another tenant.
    let other: House
    let person: UserID
    private let world: StoreWorld

    static func build(_ adapter: StoreAdapter) async throws -> Town {
        let world = try await adapter.open()
        let database = try #require(world.database)
        let person = try await world.person("ada")
        let houses = try await [("home", "one"), ("sibling", "one"), ("other", "two")].asyncMap { name, tenant in
            House(workspace: try await world.workspace(name, of: tenant))
        }
        for house in houses { try await world.furnish(house.workspace, person, database) }
        try await world.furnishPlatform(person, database)
        return Town(
            database: database, home: houses[0], sibling: houses[1], other: houses[2], person: person.id, world: world)
    }

    /// All rows of a table as the system sees them, sorted.
    func rows(of table: String) async throws -> [String] {
        try await database.read(.system) { tx in
            try tx.rows("SELECT row_to_json(t)::text AS row FROM \(table) t").map { try $0.value("row") }.sorted()
        }
    }

    /// Why a statement is refused; nil when it is not. It is undone in any case.
    func refusal(of sql: String, _ arguments: [any SQLRepresentable], _ scope: Scope) async -> Refusal? {
        struct Undone: Error {}
        do {
            try await database.write(scope) { tx in
                try tx.run(sql, arguments)
                throw Undone()
            }
            return nil
        } catch is Undone {
            return nil
        } catch let failure as DatabaseFailure {
            switch failure {
            case .statement(let words): return words.hasPrefix("42501") ? .permission : .other
            case .constraint: return .constraint
            default: return .other
            }
        } catch {
            return .other
        }
    }
}

// MARK: - What is expected

extension Town {
    /// The value of the wall's column for rows that this side may see, and whether it may change them; nil for none.
    private func own(_ wall: IsolationContract.Wall, _ side: Side) -> (column: String, value: String, writes: Bool)? {
        switch (wall, side) {
        case (.workspace(let column), .workspace(let workspace)): (column, workspace.id.description, true)
        case (.tenant(let column), .tenant(let id)): (column, id.description, true)
        case (.owner(let column), .tenant(let id)): (column, id.description, true)
        case (.owner(let column), .workspace(let workspace)): (column, workspace.tenant.description, true)
        case (.workspaces, .workspace(let workspace)): ("id", workspace.id.description, false)
        case (.workspaces, .tenant(let id)): ("tenant_id", id.description, true)
        case (.workspace, .tenant), (.tenant, .workspace), (.reserved, _): nil
        }
    }

    func expectOwn(_ table: String, _ wall: IsolationContract.Wall, _ side: Side) async throws {
        if case .reserved = wall { return }
        let all = try await rows(of: table)
        let mine: [String]
        let own = own(wall, side)
        if let own {
            mine = try await database.read(.system) { tx in
                try tx.rows(
                    "SELECT row_to_json(t)::text AS row FROM \(table) t WHERE \(own.column) = $1", [own.value]
                ).map { try $0.value("row") }.sorted()
            }
            #expect(!mine.isEmpty && mine.count < all.count, "\(table) as \(side) shows nothing")
        } else {
            mine = []
        }
        let seen: [String] = try await database.read(side.scope) { tx in
            try tx.rows("SELECT row_to_json(t)::text AS row FROM \(table) t").map { try $0.value("row") }.sorted()
        }
        #expect(seen == mine, "\(table) as \(side)")
        let alone: [String] = try await database.execute(
            side.scope, "SELECT row_to_json(t)::text AS row FROM \(table) t", []
        ).map { try $0.value("row") }
        #expect(alone.sorted() == mine, "\(table) as \(side), in a statement of its own")
        // What is not refused outright reaches no row but one's own; then it is undone.
        let column = own?.column ?? "id"
        let most = own?.writes == true ? mine.count : 0
        for sql in ["UPDATE \(table) SET \(column) = \(column)", "DELETE FROM \(table)"] {
            let reached = await reach(of: sql, side.scope)
            #expect(reached <= most, "\(sql) as \(side)")
        }
        #expect(try await rows(of: table) == all, "\(table) as \(side)")
    }

    /// How many rows a statement changes before it is undone; 0 where it is refused.
    private func reach(of sql: String, _ scope: Scope) async -> Int {
        struct Undone: Error { let rows: Int }
        do {
            try await database.write(scope) { tx in throw Undone(rows: try tx.run(sql)) }
        } catch let undone as Undone {
            return undone.rows
        } catch {}
        return 0
    }

    func expectNoForgery(_ table: String, _ wall: IsolationContract.Wall, _ side: Side) async throws {
        let column: String
        switch wall {
        case .workspace(let name), .tenant(let name), .owner(let name): column = name
        case .workspaces: column = "id"
        case .reserved: return
        }
        let own = own(wall, side)
        // Where the sibling shares the tenant with the house, rows of the tenant are its own.
        let foreign = try await database.read(.system) { tx in
            try tx.row(
                """
                SELECT row_to_json(t)::text AS row, \(column) AS owner FROM \(table) t
                WHERE \(column) IS NOT NULL AND \(own?.column ?? column) <> $1 LIMIT 1
                """, [own?.value ?? "nobody"]
            ).map { (row: try $0.value("row", as: String.self), owner: try $0.value("owner", as: String.self)) }
        }
        let stranger = try #require(foreign, "\(table) has no row of somebody else")
        let copy = "INSERT INTO \(table) SELECT * FROM json_populate_record(NULL::\(table), $1::json)"
        #expect(await refusal(of: copy, [stranger.row], side.scope) == .permission, "a forged \(table) as \(side)")
        guard let own, own.writes else { return }
        let receiver: String
        if case .workspaces = wall {
            let tenants = [home, other].map(\.workspace.tenant.description)
            receiver = try #require(tenants.first { $0 != own.value })
        } else {
            receiver = stranger.owner
        }
        let gift = await refusal(of: "UPDATE \(table) SET \(own.column) = $1", [receiver], side.scope)
        #expect(gift == .permission, "a given \(table) as \(side)")
    }
}

// MARK: - What is in it

extension StoreWorld {
    fileprivate func furnish(_ workspace: Workspace, _ person: User, _ database: any Database) async throws {
        let now = samples.clock.now
        let tenant = workspace.tenant
        let key = try await key(in: workspace)
        _ = try await keys.revoke(key.id, in: workspace.id, at: now, audit: entry("key.revoke", of: tenant))
        let record = samples.record(in: workspace.id, key: key.id)
        try await usage.insert([record, record.with(request: samples.ids.next(), route: [1])])
        try await routes.insert([
            StoredRoute(
                request: record.request, workspace: workspace.id, key: key.id, accepted: record.started, record: [1])
        ])
        let robot = User(
            id: samples.ids.next(), kind: .service, tenant: tenant, name: "ci-\(workspace.name)", created: now)
        try await users.insert(robot, audit: entry("user.create", of: tenant))
        try await members.insert(
            Member(
                id: samples.ids.next(), tenant: tenant, workspace: workspace.id, user: person.id, role: .developer,
                created: now), audit: entry("member.add", of: tenant))
        try await rules.insert(
            AccessRule(
                id: samples.ids.next(), tenant: tenant, workspace: workspace.id, name: "r", effect: .deny, actions: [],
                conditions: RuleConditions(), created: now), audit: entry("rule.create", of: tenant))
        try await routings.put(StoredRouting(workspace: workspace.id, routing: .usual, changed: now))
        let request = IdempotencyKey(workspace: workspace.id, route: "POST /x", text: "k")
        try await answer(request)
        try await furnishMoney(workspace, database)
    }

    fileprivate func furnishPlatform(_ person: User, _ database: any Database) async throws {
        let now = samples.clock.now
        try await answer(IdempotencyKey(workspace: nil, route: "POST /x", text: "k"))
        try await sessions.insert(
            Session(
                id: samples.ids.next(), user: person.id, digest: [1], created: now, expires: now + .seconds(60)),
            audit: entry("session.begin"))
        let endpoint = try Endpoint(checking: "https://openrouter.ai/api/v1")
        try await DatabaseProviderStore(database).insert(
            Provider(id: samples.ids.next(), name: "openrouter", wire: .openAI, endpoint: endpoint, created: now))
        try await registry.insert(samples.deployment(try #require(ModelName("tiny")), at: endpoint))
        try await DatabaseSealedRows(database).put(SealedRow(name: "a", sealed: [1], stored: now))
        _ = try await DatabaseMasterKeyRecord(database).remember([1])
        try await furnishPlatformMoney(database)
    }

    private func answer(_ request: IdempotencyKey) async throws {
        let claim = try await idempotency.claim(request, fingerprint: [1], leaseFor: .seconds(30))
        guard case .granted(let lease) = claim else { return }
        _ = try await idempotency.complete(
            lease, with: StoredAnswer(status: 200, contentType: "text/plain", body: [1, 2, 3]))
    }
}

extension Array {
    fileprivate func asyncMap<Other>(_ transform: (Element) async throws -> Other) async rethrows -> [Other] {
        var others: [Other] = []
        for element in self { others.append(try await transform(element)) }
        return others
    }
}
