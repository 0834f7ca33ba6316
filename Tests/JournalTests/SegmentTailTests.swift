import Kernel
import Synchronization
import TestKit
import Testing

@testable import Journal

@Suite struct SegmentTailTests {
    @Test("what was just written is shipped from memory, and the file is only looked for")
    func fromMemory() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        let before = bench.disk.bytesRead
        for _ in 0..<3 {
            bench.append(20, to: journal)
            try await bench.shipper(journal).shipAll()
        }
        #expect(bench.store.count == 60 && bench.store.inserts == 60 && journal.lag == 0)
        #expect(bench.disk.bytesRead == before)
        journal.close()
        #expect(try bench.isEmptied)
    }

    @Test("what the store refused is read from the file, and what comes then is in memory again")
    func afterRefusal() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        let before = bench.disk.bytesRead
        bench.append(10, to: journal)
        bench.store.fail(with: Problem(.storageUnavailable))
        await #expect(throws: Problem.self) { try await bench.shipper(journal).shipAll() }
        bench.append(10, to: journal)
        bench.store.fail(with: nil)
        try await bench.shipper(journal).shipAll()
        let read = bench.disk.bytesRead
        #expect(read > before, "the file had to give back what had been taken")
        #expect(bench.store.count == 20 && bench.store.inserts == 20 && journal.lag == 0)
        bench.append(10, to: journal)
        try await bench.shipper(journal).shipAll()
        #expect(bench.store.count == 30 && bench.store.inserts == 30)
        #expect(bench.disk.bytesRead == read)
        journal.close()
    }

    @Test("more than a tail holds is read from the file")
    func tooMuch() async throws {
        let bench = try JournalBench()
        let journal = try bench.open()
        var count = 0
        while journal.state.withLock({ $0.active.length }) <= SegmentTail.most + 1000 {
            bench.append(500, to: journal)
            count += 500
        }
        let before = bench.disk.bytesRead
        try await bench.shipper(journal).shipAll()
        #expect(bench.store.count == count && bench.store.inserts == count && journal.lag == 0)
        #expect(bench.disk.bytesRead > before + SegmentTail.most)
        journal.close()
    }

    @Test("it is what the file ends with, whatever was appended, shipped and taken")
    func followsFile() {
        let random = SeededRandom(seed: 7)
        var tail = SegmentTail()
        var (file, shipped): ([UInt8], Int) = ([], 0)
        var taken = 0
        tail.begin(at: 0)
        for step in 0..<20_000 {
            switch random.next(below: 5) {
            case 0:
                guard tail.isFile(from: shipped, to: file.count) else { continue }
                let bytes = tail.take(endingAt: file.count)
                #expect(bytes == Array(file[shipped...]), "step \(step)")
                taken += 1
                // Sometimes the store refuses them.
                if random.next(below: 3) > 0 { shipped = file.count }
                tail.keep(bytes)
            case 1 where !tail.isFile(from: shipped, to: file.count):
                tail.begin(at: file.count)
                shipped = file.count
            default:
                let wasShipped = shipped == file.count
                let more = (0..<Int(random.next(below: 40))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                file += more
                // Records of which no row is made are passed over where nothing waits before them.
                if wasShipped, random.next(below: 2) == 0 { shipped = file.count }
                more.withUnsafeBytes { tail.append($0, from: shipped) }
            }
        }
        #expect(taken > 1000)
    }
}
