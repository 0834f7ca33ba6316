import Billing
import Database
import Kernel
import Stores
import Tenancy
import TestKit
import Testing

@Suite struct PriceStoreContract {
    private func store(_ world: StoreWorld) throws -> DatabasePriceStore {
        DatabasePriceStore(try #require(world.database), sealing: PlainSealer())
    }

    private func act(_ world: StoreWorld) -> MoneyAct {
        MoneyAct(
            id: world.samples.ids.next(), actor: "operator", address: nil, request: nil, at: world.samples.clock.now,
            details: ["via": "test"])
    }

    private func content(_ units: Int64) -> PriceBook.Content {
        let price = UnitPrice(units: units, currency: .usd, per: 1_000_000)
        return PriceBook.Content(
            entries: [
                PriceEntry(
                    model: "m", provider: "p", operation: "chat", meter: .input, above: 100,
                    price: UnitPrice(units: .max, currency: .irr, per: 1)),
                PriceEntry(model: "i*", meter: .images, size: "1x1", steps: 4, price: price),
            ],
            conversions: [UMUConversion(model: "*", meter: .gpu, millionths: 1, per: 1000)], umuPrice: [price],
            rates: [ExchangeRate(from: .usd, to: .irr, billionths: 1, day: "2026-11-21")])
    }

    private func spendingVersion(_ world: StoreWorld) async throws -> Int64 {
        try await #require(world.database).read(.system) { tx in
            try #require(try tx.row("SELECT last FROM spending_counter")).value("last")
        }
    }

    @Test(
        "a version comes back with all that it says, and its change is told and written down",
        arguments: StoreAdapter.databases)
    func roundTrip(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let store = try store(world)
        let before = try await spendingVersion(world)
        let now = world.samples.clock.now
        let made = try await store.add(content(1), to: .price, effective: now, after: 0, by: act(world))
        #expect(made == PriceBook(kind: .price, version: 1, effective: now, content: content(1)))
        #expect(try await store.book(.price, version: 1) == made)
        #expect(try await store.book(.cost, version: 1) == nil)
        #expect(try await store.book(.price, version: 2) == nil)
        #expect(try await store.heads() == [.price: 1, .cost: 0])
        #expect(try await spendingVersion(world) == before + 1)
        let events = try await world.audit.events(of: nil, after: 0, limit: 10)
        let event = try #require(events.last?.entry)
        #expect(event.action == "prices.add" && event.subject == "price/1" && event.actor == "operator")
        #expect(event.details["via"] == "test" && event.details["entries"] == "2")
    }

    @Test("who has not seen the last version adds none, and leaves nothing behind", arguments: StoreAdapter.databases)
    func conflict(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let store = try store(world)
        let now = world.samples.clock.now
        _ = try await store.add(content(1), to: .price, effective: now, after: 0, by: act(world))
        let before = try await spendingVersion(world)
        for after in [0, 2] {
            let act = act(world)
            #expect(
                await code { _ = try await store.add(content(2), to: .price, effective: now, after: after, by: act) }
                    == .conflict)
        }
        #expect(try await store.heads()[.price] == 1)
        #expect(try await spendingVersion(world) == before)
        #expect(try await world.actions(in: nil) == ["prices.add"])
    }

    @Test("of many who write at once each version has one author", arguments: StoreAdapter.databases)
    func concurrent(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let store = try store(world)
        let now = world.samples.clock.now
        let acts = (0..<8).map { _ in act(world) }
        let won = try await withThrowingTaskGroup(of: Bool.self) { group in
            for act in acts {
                group.addTask {
                    let refused = await code {
                        _ = try await store.add(content(1), to: .cost, effective: now, after: 0, by: act)
                    }
                    guard let refused else { return true }
                    #expect(refused == .conflict)
                    return false
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(won == 1)
        #expect(try await store.heads()[.cost] == 1)
    }

    @Test("prices begin now or later, and costs may be told afterwards", arguments: StoreAdapter.databases)
    func noHistory(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let store = try store(world)
        let now = world.samples.clock.now
        let past = Instant(microseconds: now.microseconds - 61_000_000)
        let slow = Instant(microseconds: now.microseconds - 59_000_000)
        let act = act(world)
        #expect(
            await code { _ = try await store.add(content(1), to: .price, effective: past, after: 0, by: act) }
                == .validationError)
        #expect(try await store.heads()[.price] == 0)
        // A node whose clock is behind says "now".
        #expect(try await store.add(content(1), to: .price, effective: slow, after: 0, by: act).effective == now)
        let cost = try await store.add(content(1), to: .cost, effective: past, after: 0, by: self.act(world))
        #expect(cost.effective == past)
    }

    @Test("the versions that count are the one in force and those to come", arguments: StoreAdapter.databases)
    func current(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let store = try store(world)
        let now = world.samples.clock.now
        func at(_ seconds: Int64) -> Instant { Instant(microseconds: now.microseconds + seconds * 1_000_000) }
        for (version, seconds) in [0, 100, 50, 50].enumerated() {
            _ = try await store.add(
                content(Int64(version)), to: .price, effective: at(Int64(seconds)), after: version, by: act(world))
        }
        func versions(_ seconds: Int64) async throws -> [Int] {
            try await store.current(.price, at: at(seconds)).map(\.version)
        }
        #expect(try await versions(-1) == [1, 3, 4, 2])
        #expect(try await versions(0) == [1, 3, 4, 2])
        #expect(try await versions(50) == [4, 2])
        #expect(try await versions(99) == [4, 2])
        #expect(try await versions(100) == [2])
        #expect(try await store.current(.cost, at: now) == [])
    }

    @Test("versions are listed by pages, the newest first", arguments: StoreAdapter.databases)
    func listing(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let store = try store(world)
        let now = world.samples.clock.now
        for version in 0..<5 {
            _ = try await store.add(content(1), to: .price, effective: now, after: version, by: act(world))
        }
        let first = try await store.versions(of: .price, page: PageRequest(limit: 3))
        #expect(first.data.map(\.version) == [5, 4, 3] && first.hasMore)
        #expect(first.data.first?.entries == 2 && first.data.first?.written == now)
        let rest = try await store.versions(of: .price, page: PageRequest(limit: 3, after: first.lastID))
        #expect(rest.data.map(\.version) == [2, 1] && !rest.hasMore)
        #expect(
            await code { _ = try await store.versions(of: .price, page: PageRequest(after: "x")) } == .validationError)
    }

    @Test("a version that was written is neither changed nor removed", arguments: StoreAdapter.databases)
    func appendOnly(adapter: StoreAdapter) async throws {
        let world = try await adapter.open()
        let store = try store(world)
        _ = try await store.add(
            content(1), to: .price, effective: world.samples.clock.now, after: 0, by: act(world))
        let database = try #require(world.database)
        for sql in ["UPDATE price_book SET content = '{}'", "DELETE FROM price_book"] {
            await #expect(throws: DatabaseFailure.self) { try await database.write(.system) { tx in try tx.run(sql) } }
        }
        #expect(try await store.book(.price, version: 1)?.content == content(1))
    }
}
