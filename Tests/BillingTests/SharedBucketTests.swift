import Billing
import Kernel
import TestKit
import Testing

@Suite struct SharedBucketTests {
    private let start: Int64 = 1_795_248_000_000_000

    private func limit(_ amount: Int64) -> RateLimit {
        RateLimit(
            id: LimitID(ULID(high: 1, low: 1)), subject: .tenant(TenantID(ULID(high: 1, low: 1))), model: nil,
            quantity: .requestsPerMinute, amount: amount)
    }

    private func ask(
        _ amount: Int64, needed: Int64, wanted: Int64 = 0, rest: RateAsk.Rest? = nil, correction: Int64 = 0
    ) -> RateAsk {
        RateAsk(limit: limit(amount), needed: needed, wanted: wanted, rest: rest, correction: correction)
    }

    @Test("a refill is exact, however often somebody looks")
    func exactRefill() {
        for amount in [1, 7, 60, 999, 1_000_000] as [Int64] {
            var bucket = RateBucket(amount: amount, level: 0, changed: start)
            for step in 1...1000 as ClosedRange<Int64> { bucket.refill(at: start + step * 7, amount: amount) }
            #expect(bucket.level == min(7000 * amount, bucket.capacity))
            bucket.refill(at: start + 60_000_000, amount: amount)
            #expect(bucket.level == bucket.capacity)
        }
    }

    @Test("extremes neither trap nor overflow")
    func extremes() {
        for amount in [0, 1, RateBucket.most, .max, -5] as [Int64] {
            var bucket = RateBucket(amount: amount, at: .max)
            for now in [Int64.min, 0, .max, start] {
                bucket.refill(at: now, amount: amount)
                bucket.take(.max)
                bucket.correct(by: .min)
                bucket.correct(by: .max)
                bucket.putBack(.max, held: .max)
                #expect(bucket.level >= -bucket.capacity && bucket.level <= bucket.capacity)
                _ = bucket.wait(for: .max)
                _ = bucket.state(of: limit(amount), beside: .max)
            }
        }
    }

    @Test("a slice is an eighth of what is there, but what is needed, and shrinks to that")
    func shares() {
        #expect(SharedBucket.share(of: 800, needed: 1, wanted: 1000) == 100)
        #expect(SharedBucket.share(of: 800, needed: 300, wanted: 300) == 300)
        #expect(SharedBucket.share(of: 800, needed: 1, wanted: 20) == 20)
        #expect(SharedBucket.share(of: 5, needed: 1, wanted: 20) == 1)
        #expect(SharedBucket.share(of: 5, needed: 6, wanted: 20) == 0)
        #expect(SharedBucket.share(of: 5, needed: 0, wanted: 0) == 0)
    }

    @Test("a rest that comes after its time gives nothing back")
    func lateRest() {
        var shared = SharedBucket(bucket: RateBucket(amount: 100, at: start))
        let grant = shared.answer(ask(100, needed: 40), at: start)
        #expect(grant.count == 40)
        let rest = RateAsk.Rest(turn: grant.turn, taken: 40, unused: 40)
        var soon = shared
        _ = soon.answer(ask(100, needed: 0, rest: rest), at: start + SharedBucket.turnLength)
        #expect(soon.bucket.isFull)
        #expect(soon.isIdle)
        var late = shared
        let before = late.answer(ask(100, needed: 0), at: start + 2 * SharedBucket.turnLength).level
        let after = late.answer(ask(100, needed: 0, rest: rest), at: start + 2 * SharedBucket.turnLength).level
        #expect(before == after)
    }

    @Test("what a node may still spend is not refilled", arguments: [0, 1_300_000, 3_999_999] as [Int64])
    func heldWhileSpendable(offset: Int64) {
        let taken = start - start % SharedBucket.turnLength + offset
        var shared = SharedBucket(bucket: RateBucket(amount: 60, at: taken))
        #expect(shared.answer(ask(60, needed: 40), at: taken).count == 40)
        for step in stride(from: 0, to: SharedBucket.holding.microseconds, by: 100_000) {
            shared.refill(at: taken + step, amount: 60)
            #expect(shared.bucket.level == 20 * RateBucket.grains)
        }
    }

    @Test("a node that vanishes holds its slice for two turns at most")
    func vanished() {
        var shared = SharedBucket(bucket: RateBucket(amount: 100, at: start))
        #expect(shared.answer(ask(100, needed: 100), at: start).count == 100)
        // All is held, so that nothing refills.
        let turn = SharedBucket.turnLength
        #expect(shared.answer(ask(100, needed: 1), at: start + turn).count == 0)
        shared.refill(at: start + 2 * turn, amount: 100)
        shared.refill(at: start + 2 * turn + 60_000_000, amount: 100)
        #expect(shared.isIdle)
    }

    @Test("a database's clock that is set back does not stop the refill, nor give anything twice")
    func clockSetBack() {
        var shared = SharedBucket(bucket: RateBucket(amount: 60, at: start))
        #expect(shared.answer(ask(60, needed: 60), at: start).count == 60)
        // One transaction waited for another.
        #expect(shared.answer(ask(60, needed: 1), at: start - 2_000_000).count == 0)
        #expect(shared.bucket.changed == start)
        let earlier = start - 3_600_000_000
        #expect(shared.answer(ask(60, needed: 1), at: earlier).count == 0)
        for second in 1...12 as ClosedRange<Int64> { shared.refill(at: earlier + second * 1_000_000, amount: 60) }
        #expect(shared.answer(ask(60, needed: 1), at: earlier + 13_000_000).count == 1)
    }

    @Test(
        "whatever nodes do, what is spent in any span is within the limit and what refilled",
        arguments: Array(1...40) as [UInt64])
    func bound(seed: UInt64) {
        let random = SeededRandom(seed: seed)
        let amount = Int64(1 + random.next(below: 200))
        var shared = SharedBucket(bucket: RateBucket(amount: amount, at: start))
        var nodes = Array(repeating: Holder(), count: 4)
        var now = start
        var spent: [(at: Int64, count: Int64)] = []
        for _ in 0..<600 {
            now += Int64(random.next(below: 400_000))
            let place = Int(random.next(below: 4))
            switch random.next(below: 4) {
            case 0:
                let need = Int64(1 + random.next(below: 5))
                let rest = nodes[place].rest()
                let grant = shared.answer(
                    ask(amount, needed: need, wanted: Int64(random.next(below: 50)), rest: rest), at: now)
                if grant.count > 0 { nodes[place].slice = (grant, grant.count, now) }
            case 1:
                let count = nodes[place].spend(Int64(1 + random.next(below: 10)), at: now)
                if count > 0 { spent.append((now, count)) }
            case 2:
                if let rest = nodes[place].rest() { _ = shared.answer(ask(amount, needed: 0, rest: rest), at: now) }
            default:
                // It vanishes, or is only slow.
                if random.next(below: 8) == 0 { nodes[place].slice = nil }
            }
        }
        for first in spent.indices {
            var sum: Int64 = 0
            for entry in spent[first...] {
                sum += entry.count
                let allowed = RateBucket.grains * amount + amount * (entry.at - spent[first].at)
                #expect(RateBucket.grains * sum <= allowed, "seed \(seed), limit \(amount)")
            }
        }
        #expect(!spent.isEmpty, "seed \(seed) spends nothing")
    }

    /// A node, as far as the bucket is concerned.
    private struct Holder {
        var slice: (grant: RateGrant, unused: Int64, at: Int64)?

        mutating func spend(_ most: Int64, at now: Int64) -> Int64 {
            guard let held = slice, now < held.at + SharedBucket.holding.microseconds else { return 0 }
            let count = min(most, held.unused)
            slice?.unused -= count
            return count
        }

        mutating func rest() -> RateAsk.Rest? {
            defer { slice = nil }
            return slice.map { RateAsk.Rest(turn: $0.grant.turn, taken: $0.grant.count, unused: $0.unused) }
        }
    }
}
