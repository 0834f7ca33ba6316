import Billing
import Database
import Flows
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
        #expect(try await world.registry.all().map(\.terms) == [DeploymentTerms()])
        let now = world.samples.clock.now
        #expect(try await world.keys.revoke(key, in: workspace, at: now, audit: world.entry())?.revoked == now)
        #expect(try await world.subjects() == [.key(key)])
    }

    @Test(
        "usage from before there was money is free, listed and proved, beside what comes after",
        arguments: StoreAdapter.databases)
    func usageBeforeMoney(adapter: StoreAdapter) async throws {
        let ids = Samples(seed: 3).ids
        let (tenant, workspace): (TenantID, WorkspaceID) = (ids.next(), ids.next())
        let (key, deployment): (KeyID, DeploymentID) = (ids.next(), ids.next())
        let old: [RequestID] = (0..<3).map { _ in ids.next() }
        @Sendable func write(_ requests: [RequestID], _ tx: any Tx) throws {
            for request in requests {
                try tx.run(
                    """
                    INSERT INTO usage (request_id, workspace_id, key_id, operation, model, deployment_id, is_stream,
                        status, http_status, input_tokens, output_tokens, count_source, started, latency)
                    VALUES ($1, $2, $3, 'chat', 'tiny', $4, 0, 'succeeded', 200, 7, 5, 'provider', 1000, 1)
                    """, [request, workspace, key, deployment])
            }
        }
        let world = try await adapter.open(after: 3) { database in
            try await database.write(.system) { tx in
                try tx.run("INSERT INTO tenant (id, name, created) VALUES ($1, 'default', 1)", [tenant])
                try tx.run(
                    "INSERT INTO workspace (id, tenant_id, name, created) VALUES ($1, $2, 'default', 1)",
                    [workspace, tenant])
                try write(old, tx)
            }
        }
        let database = try #require(world.database)
        // A node of the last release goes on for a while.
        let late: RequestID = ids.next()
        try await database.write(.system) { tx in try write([late], tx) }
        let ledger = DatabaseLedger(database, sealing: TestLedgerSealer(), ids: ids)
        try await ledger.openPlatformAccounts()
        let free = Bill(state: .free, price: nil, cost: nil, umu: nil, priceVersion: 0, costVersion: 0)
        let record = world.samples.record(in: workspace, key: key, started: Instant(microseconds: 2000))
        _ = try await ledger.settle([Settlement(record: record, bill: free, transfers: [], suspended: nil)])
        let filter = UsageFilter(from: Instant(microseconds: 0), until: Instant(microseconds: 5000))
        let rows = try await DatabaseUsageReports(database)
            .rows(in: workspace, matching: filter, page: PageRequest()).data
        #expect(Set(rows.map(\.record.request)) == Set(old + [late, record.request]))
        #expect(rows.allSatisfy { $0.billState == "free" && $0.price == nil && $0.record.billing.tags.isEmpty })
        let totals = try await DatabaseUsageReports(database)
            .totals(in: workspace, matching: filter, by: [.user], days: [], limit: 10)
        #expect(totals.map(\.requests) == [5] && totals.map(\.inputTokens) == [35] && totals[0].prices == [:])
        let verdict = try await LedgerVerificationFlow(
            reports: DatabaseLedgerReports(database), anchors: MemoryAnchors(),
            verification: LedgerVerification(
                postings: TestLedgerSealer(), links: TestLinkSealer(), grace: .seconds(60))
        ).verify()
        #expect(verdict.ok && verdict.requests == 5, "\(verdict.findings)")
    }

    @Test(
        "attempts from before a usage row held the only one are read back, beside those that come after",
        arguments: StoreAdapter.databases)
    func attemptsOfTheirOwn(adapter: StoreAdapter) async throws {
        let ids = Samples(seed: 3).ids
        let (tenant, workspace): (TenantID, WorkspaceID) = (ids.next(), ids.next())
        let (key, deployment, provider): (KeyID, DeploymentID, ProviderID) = (ids.next(), ids.next(), ids.next())
        let old: RequestID = ids.next()
        let world = try await adapter.open(after: 6) { database in
            try await database.write(.system) { tx in
                try tx.run("INSERT INTO tenant (id, name, created) VALUES ($1, 'default', 1)", [tenant])
                try tx.run(
                    "INSERT INTO workspace (id, tenant_id, name, created) VALUES ($1, $2, 'default', 1)",
                    [workspace, tenant])
                try tx.run(
                    """
                    INSERT INTO usage (request_id, workspace_id, key_id, operation, model, deployment_id, is_stream,
                        status, http_status, input_tokens, output_tokens, count_source, started, latency)
                    VALUES ($1, $2, $3, 'chat', 'tiny', $4, 0, 'succeeded', 200, 7, 5, 'provider', 1000, 1)
                    """, [old, workspace, key, deployment])
                try tx.run(
                    """
                    INSERT INTO attempt (request_id, number, workspace_id, deployment_id, provider_id, upstream,
                        cost_state) VALUES ($1, 1, $2, $3, $4, 'c-1', 'confirmed')
                    """, [old, workspace, deployment, provider])
            }
        }
        let attempt = Attempt(
            number: 1, deployment: deployment, provider: provider, upstream: "c-1", cost: .confirmed)
        #expect(try await world.usage.record(of: old, in: workspace)?.attempts == [attempt])
        let page = try await world.usage.list(in: workspace, page: PageRequest())
        #expect(page.data.map(\.attempts) == [[attempt]])
    }
}
