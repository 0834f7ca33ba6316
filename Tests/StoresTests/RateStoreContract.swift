import Billing
import Database
import Flows
import Kernel
import Logging
import Stores
import TestKit
import Testing

/// Limits that nodes share over one database, as the contract of all counters, and what only rows can do.
@Suite struct RateStoreContract {
    private func contract(_ adapter: StoreAdapter) -> CountersContract {
        CountersContract(adapter.rawValue, isShared: true) { count in
            let world = try await adapter.open()
            let clock = world.samples.clock
            var nodes: [SharedCounters] = []
            for _ in 0..<count {
                let node = try await world.otherNode()
                let counters = SharedCounters(
                    DatabaseRateStore(try #require(node.database)), node: world.samples.ids.next(), clock: clock,
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
                try await counters.begin()
                nodes.append(counters)
            }
            return CountersContract.Cluster(
                nodes: nodes, clock: clock, owner: world, tidy: { [nodes] in try await nodes[$0].tell() },
                renew: { [nodes] in try await nodes[$0].renew() })
        }
    }

    @Test("a burst fills the limit, and then one passes whenever one more fits", arguments: StoreAdapter.databases)
    func bursts(adapter: StoreAdapter) async throws { try await contract(adapter).verifyBursts() }

    @Test("an estimate is corrected by what was really used", arguments: StoreAdapter.databases)
    func correction(adapter: StoreAdapter) async throws { try await contract(adapter).verifyCorrection() }

    @Test("a request that is refused for one limit uses up no other", arguments: StoreAdapter.databases)
    func allOrNone(adapter: StoreAdapter) async throws { try await contract(adapter).verifyAllOrNone() }

    @Test("a limit that is changed keeps what was used of it", arguments: StoreAdapter.databases)
    func changedAmount(adapter: StoreAdapter) async throws { try await contract(adapter).verifyChangedAmount() }

    @Test("three nodes at once never let more through than the limit", arguments: StoreAdapter.databases)
    func sharedBurst(adapter: StoreAdapter) async throws { try await contract(adapter).verifySharedBurst(tries: 192) }

    @Test("three nodes together keep the bound of one, and use what refills", arguments: StoreAdapter.databases)
    func sharedRates(adapter: StoreAdapter) async throws { try await contract(adapter).verifySharedRates(seed: 1) }

    @Test("64 at once on three nodes never run more than the limit", arguments: StoreAdapter.databases)
    func concurrency(adapter: StoreAdapter) async throws { try await contract(adapter).verifyConcurrency(tasks: 64) }

    @Test("a node that vanishes with places keeps them until its lease ends", arguments: StoreAdapter.databases)
    func vanishes(adapter: StoreAdapter) async throws { try await contract(adapter).verifyVanishes() }

    @Test("places come back however a request ends: LiteLLM#20256", arguments: StoreAdapter.databases)
    func placesComeBack(adapter: StoreAdapter) async throws { try await contract(adapter).verifyPlacesComeBack() }

    @Test("a place is taken exactly while something runs: LiteLLM#17323", arguments: StoreAdapter.databases)
    func countsWhatRuns(adapter: StoreAdapter) async throws {
        try await contract(adapter).verifyCountsWhatRuns(seed: 1)
    }

    @Test(
        "buckets that are full again and places of nodes that are gone are removed", arguments: StoreAdapter.databases)
    func prune(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let database = try #require(world.database)
        let store = DatabaseRateStore(database)
        func limit(_ quantity: RateLimit.Quantity) -> RateLimit {
            RateLimit(
                id: world.samples.ids.next(), subject: .tenant(world.samples.ids.next()), model: nil,
                quantity: quantity, amount: 5)
        }
        let node: NodeID = world.samples.ids.next()
        let places = SlotAsk(limit: limit(.concurrency), kept: 0, needed: 1, wanted: 1)
        #expect(try await store.slots([places], for: node, lasting: .seconds(30)) == [1])
        for _ in 0..<3 {
            let ask = RateAsk(limit: limit(.requestsPerMinute), needed: 1, wanted: 1, rest: nil, correction: 0)
            #expect(try await store.take([ask]).map(\.count) == [1])
        }
        try await store.prune(limit: 10)
        #expect(try await world.count("rate_bucket") == 4)
        #expect(try await world.count("rate_slot") == 1)
        world.samples.clock.advance(by: .seconds(181))
        try await store.prune(limit: 3)
        #expect(try await world.count("rate_bucket") == 1)
        #expect(try await world.count("rate_slot") == 0)
        try await store.prune(limit: 3)
        #expect(try await world.count("rate_bucket") == 0)
    }

    @Test("an earlier life of a node is gone when the next begins", arguments: StoreAdapter.databases)
    func release(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let store = DatabaseRateStore(try #require(world.database))
        let limit = RateLimit(
            id: world.samples.ids.next(), subject: .tenant(world.samples.ids.next()), model: nil,
            quantity: .concurrency, amount: 2)
        let (node, other): (NodeID, NodeID) = (world.samples.ids.next(), world.samples.ids.next())
        let ask = SlotAsk(limit: limit, kept: 0, needed: 1, wanted: 1)
        #expect(try await store.slots([ask], for: node, lasting: .seconds(30)) == [1])
        #expect(try await store.slots([ask], for: other, lasting: .seconds(30)) == [1])
        let second = SlotAsk(limit: limit, kept: 1, needed: 1, wanted: 1)
        #expect(try await store.slots([second], for: other, lasting: .seconds(30)) == [1])
        try await store.release(node)
        #expect(try await store.slots([second], for: other, lasting: .seconds(30)) == [2])
        #expect(try await store.renew(node, lasting: .seconds(30)) == [:])
        #expect(try await store.renew(other, lasting: .seconds(30)) == [limit.id: 2])
    }
}

extension StoreWorld {
    fileprivate func count(_ table: String) async throws -> Int {
        let row = try await database?.read(.system) { tx in try tx.row("SELECT COUNT(*) AS n FROM \(table)") }
        return try #require(row ?? nil).value("n")
    }
}
