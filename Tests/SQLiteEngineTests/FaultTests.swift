import Database
import Kernel
import SQLiteEngine
import TestKit
import Testing

/// Batches on a disk that fills up and fails at random, without and with a crash at the end.
@Suite(.serialized) struct FaultTests {
    private struct Refusal: Error {}

    /// What the callers know: by the row's number.
    private struct Told {
        var stored: Set<Int> = []
        var unknown: Set<Int> = []
        var failures: [String: Int] = [:]
    }

    @Test("whatever the disk does, each caller is told the truth, and a crash does not change it")
    func truth() async throws {
        var failures: [String: Int] = [:]
        for seed in 1...60 as ClosedRange<UInt64> {
            for (kind, count) in try await run(seed) { failures[kind, default: 0] += count }
        }
        // Without these nothing was tried.
        for kind in ["full", "unknown", "unavailable", "duplicate", "own"] {
            #expect(failures[kind, default: 0] > 20, "\(kind): \(failures)")
        }
    }

    private func run(_ seed: UInt64) async throws -> [String: Int] {
        let random = SeededRandom(seed: seed)
        let fixture = DiskFixture(SimulatedDisk(random: SeededRandom(seed: seed ^ 0xFA17)))
        var database = try await fixture.open()
        _ = try await database.write(.system) { tx in try tx.rows("PRAGMA wal_autocheckpoint = 10").count }
        var told = Told()
        for round in 0..<8 {
            breakDisk(fixture.disk, random)
            await ask(fixture, database, round, random, &told)
            fixture.disk.faults = DiskFaults()
            let ids = try await fixture.ids(database)
            verify(ids, told, "seed \(seed), round \(round)")
        }
        let before = try await fixture.ids(database)
        fixture.disk.crash(random.next(below: 2) == 0 ? .process : .power)
        database = try await fixture.open()
        #expect(try await fixture.ids(database) == before, "seed \(seed), after the crash")
        try await expectSound(database, "seed \(seed)")
        return told.failures
    }

    private func breakDisk(_ disk: SimulatedDisk, _ random: SeededRandom) {
        var faults = DiskFaults()
        switch random.next(below: 5) {
        case 0: faults.failingSyncs = 1 + Int(random.next(below: 3))
        case 1: faults.failingWrites = 1 + Int(random.next(below: 6))
        case 2, 3: faults.capacity = disk.usedBytes + Int(random.next(below: 200_000))
        default: break
        }
        disk.faults = faults
    }

    private func ask(
        _ fixture: DiskFixture, _ database: SQLiteDatabase, _ round: Int, _ random: SeededRandom, _ told: inout Told
    ) async {
        let count = 1 + Int(random.next(below: 12))
        let plans = (0..<count).map { index in
            let size = random.next(below: 6) == 0 ? Int(random.next(below: 3_000_000)) : 10
            // Some rows are asked for twice, some bodies change their mind.
            let id = random.next(below: 5) == 0 ? round * 100 : round * 100 + index
            return (id: id, size: size, refuses: random.next(below: 6) == 0)
        }
        let answers = await fixture.together(
            database,
            plans.map { plan in
                { tx in
                    try tx.run(
                        "INSERT INTO thing (id, bytes) VALUES ($1, zeroblob($2))", [plan.id, plan.size])
                    if plan.refuses { throw Refusal() }
                }
            })
        for (plan, answer) in zip(plans, answers) {
            switch answer {
            case nil: told.stored.insert(plan.id)
            case .commitUnknown:
                told.unknown.insert(plan.id)
                told.failures["unknown", default: 0] += 1
            case .full: told.failures["full", default: 0] += 1
            case .unavailable: told.failures["unavailable", default: 0] += 1
            case .constraint: told.failures["duplicate", default: 0] += 1
            default: told.failures["own", default: 0] += 1
            }
        }
    }

    private func verify(_ ids: Set<Int>, _ told: Told, _ note: String) {
        #expect(told.stored.isSubset(of: ids), "\(note): lost \(told.stored.subtracting(ids))")
        let surplus = ids.subtracting(told.stored).subtracting(told.unknown)
        #expect(surplus.isEmpty, "\(note): nobody was told of \(surplus)")
    }
}
