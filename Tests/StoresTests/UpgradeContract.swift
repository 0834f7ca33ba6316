import Database
import Inference
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

/// What was there before a migration goes on to work after it.
@Suite struct UpgradeContract {
    @Test("a key made before keys had limits can what it could, and no more", arguments: StoreAdapter.databases)
    func keyWithoutLimits(adapter: StoreAdapter) async throws {
        let ids = Samples(seed: 3).ids
        let (tenant, workspace): (TenantID, WorkspaceID) = (ids.next(), ids.next())
        let (key, deployment): (KeyID, DeploymentID) = (ids.next(), ids.next())
        let world = try await adapter.open { database in
            try await database.write(.system) { tx in
                try tx.run("INSERT INTO tenant (id, name, created) VALUES ($1, 'default', 1)", [tenant])
                try tx.run(
                    "INSERT INTO workspace (id, tenant_id, name, created) VALUES ($1, $2, 'default', 1)",
                    [workspace, tenant])
                try tx.run(
                    """
                    INSERT INTO api_key (id, tenant_id, workspace_id, name, prefix, hash, created)
                    VALUES ($1, $2, $3, 'laptop', 'abcdefghjk', 'plain:x', 1)
                    """, [key, tenant, workspace])
                try tx.run(
                    """
                    INSERT INTO deployment (id, model, environment, aliases, wire, endpoint, upstream_model,
                        capabilities, registered)
                    VALUES ($1, 'tiny', 'production', '', 'openai', 'http://127.0.0.1:1', 'm', 'chat', 1)
                    """, [deployment])
            }
        }
        let facts = try #require(try await world.keys.find(prefix: "abcdefghjk"))
        #expect(facts.key.scopes == .usual && facts.key.environment == .production && facts.key.addresses.isEmpty)
        #expect(facts.key.user == nil && facts.isUsable(at: world.samples.clock.now))
        let home = try await world.workspace()
        #expect(home.id == workspace && home.standing == .active)
        #expect(try await world.registry.all().map(\.provider) == [nil])
        let now = world.samples.clock.now
        #expect(try await world.keys.revoke(key, in: workspace, at: now, audit: world.entry())?.revoked == now)
        #expect(try await world.subjects() == [.key(key)])
    }
}
