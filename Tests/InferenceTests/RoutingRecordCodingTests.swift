import Inference
import Kernel
import TestKit
import Testing

@Suite("A decision's record")
struct RoutingRecordCodingTests {
    private func encoded(_ record: RoutingRecord) -> [UInt8] {
        var bytes: [UInt8] = []
        RoutingRecordCoding.encode(record, into: &bytes)
        return bytes
    }

    // MARK: The bytes

    /// What the first version writes for `golden`: as it stands in journals and databases.
    private static let goldenBytes = """
        01ac02096c6c6d3a66612dc3a9038904d00f800865887766554433221108070605040302010303020765752d776573740775\
        732d65617374010b6e6f2d747261696e696e67a00180897a02f9e8d7c6b5a4930101000000000000005fff078080010132c8\
        01000765752d77657374020b6e6f2d747261696e696e670e7a65726f2d726574656e74696f6ea0c21e80010fc0c407950606\
        800154f9e8d7c6b5a4930102000000000000002004000500104800010100
        """

    private static var golden: RoutingRecord {
        var first = DeploymentTerms()
        first.version = "2"
        first.weight = 100
        first.region = "eu-west"
        first.dataPolicies = ["no-training", "zero-retention"]
        first.promisedFirstToken = .milliseconds(500)
        first.concurrency = .adaptive(most: 64)
        var second = DeploymentTerms()
        second.weight = 0
        second.priority = -3
        second.isEnabled = false
        second.concurrency = .fixed(8)
        return RoutingRecord(
            snapshot: 300, asked: "llm:fa-é",
            facts: RoutingFacts(
                needs: [.chat, .tools, .multipleChoices], inputTokens: 1000, outputCap: 512, likelyOutput: 101,
                affinity: 0x1122_3344_5566_7788, seed: 0x0102_0304_0506_0708),
            policy: RoutingPolicy(
                strategy: .slaPreferred, regions: ["us-east", "eu-west"], dataPolicies: ["no-training"],
                mostCost: 80, mostLatency: .seconds(2)),
            targets: [
                RoutingTarget(
                    deployment: DeploymentID(ULID(high: 0x0193_A4B5_C6D7_E8F9, low: 1)),
                    capabilities: Set(Capability.allCases), contextLimit: 8192, terms: first),
                RoutingTarget(
                    deployment: DeploymentID(ULID(high: 0x0193_A4B5_C6D7_E8F9, low: 2)), capabilities: [.embeddings],
                    terms: second),
            ],
            signals: [
                RoutingSignal(
                    firstToken: .microseconds(123_456), perToken: .microseconds(789), running: 3, limit: 64, cost: 42),
                RoutingSignal(running: 0, cost: -1, health: .ejected),
            ], order: [0])
    }

    @Test("has the bytes that it always had, and they are still read")
    func goldenRecord() throws {
        let hexadecimal = encoded(Self.golden).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
        #expect(hexadecimal == Self.goldenBytes)
        let digits = Array(Self.goldenBytes)
        let bytes = try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(digits[$0...$0 + 1]), radix: 16))
        }
        #expect(RoutingRecordCoding.decode(bytes) == Self.golden)
    }

    @Test("of two candidates is a hundred bytes and some")
    func size() {
        let targets = (0..<2).map {
            RoutingTarget(deployment: DeploymentID(ULID(high: 7, low: $0)), capabilities: [.chat])
        }
        let signal = RoutingSignal(
            firstToken: .milliseconds(300), perToken: .milliseconds(20), running: 3, limit: 8, cost: 1000)
        let record = RoutingRecord(
            snapshot: 12, asked: "qwen-7b",
            facts: RoutingFacts(needs: [.chat], inputTokens: 900, outputCap: 500, likelyOutput: 200, seed: .max),
            policy: RoutingPolicy(), targets: targets, signals: [signal, signal], order: [0, 1])
        #expect(encoded(record).count < 110)
    }

    @Test("is appended to what is there, from parts that were encoded before", arguments: 0..<100 as Range<UInt64>)
    func parts(seed: UInt64) {
        let record = MadeDecisions(seed: seed).record()
        var bytes: [UInt8] = [9, 9]
        RoutingRecordCoding.encode(
            snapshot: record.snapshot, asked: record.asked, facts: record.facts, policy: EncodedPolicy(record.policy),
            targets: record.targets.map(EncodedTarget.init), signals: record.signals, order: record.order,
            into: &bytes)
        #expect(bytes == [9, 9] + encoded(record), "seed \(seed)")
    }

    // MARK: Whatever it says

    @Test(
        "survives its encoding, and a hundred thousand of them decide the same again",
        arguments: 0..<100 as Range<UInt64>)
    func replay(seed: UInt64) throws {
        let made = MadeDecisions(seed: seed)
        for number in 0..<1000 {
            let record = made.record()
            let read = RoutingRecordCoding.decode(encoded(record))
            guard read == record else {
                Issue.record("seed \(seed), record \(number): \(record) was read as \(String(describing: read))")
                return
            }
            guard let decision = read?.replay(), decision == record.replay(), decision.order == record.order else {
                Issue.record("seed \(seed), record \(number) replays to another decision")
                return
            }
        }
    }

    @Test("is never believed when it is cut or has more behind it", arguments: 0..<100 as Range<UInt64>)
    func cut(seed: UInt64) {
        let bytes = encoded(MadeDecisions(seed: seed).record())
        let believed = bytes.indices.filter { RoutingRecordCoding.decode(Array(bytes[..<$0])) != nil }
        #expect(believed == [], "seed \(seed), cut there")
        #expect(RoutingRecordCoding.decode(bytes + [0]) == nil, "seed \(seed)")
    }

    @Test("ends no process when it is damaged, nor does what is read of it", arguments: 0..<100 as Range<UInt64>)
    func damage(seed: UInt64) {
        let made = MadeDecisions(seed: seed)
        var read = 0
        var whole: [UInt8] = []
        for number in 0..<1000 {
            if number % 10 == 0 { whole = encoded(made.record()) }
            var bytes = whole
            for _ in 0...made.below(4) {
                let place = Int(made.below(UInt64(bytes.count)))
                let noise = UInt8(truncatingIfNeeded: made.random.next())
                bytes[place] = made.flag() ? noise : made.any([0, 0x7F, 0x80, 0xFF])
            }
            guard let record = RoutingRecordCoding.decode(bytes) else { continue }
            read += 1
            // Bytes that can be read are a record like any other.
            let decision = record.replay()
            guard decision.verdicts.count == record.targets.count, record.targets.count <= 64,
                RoutingRecordCoding.decode(encoded(record)) == record
            else {
                Issue.record("seed \(seed), record \(number)")
                return
            }
        }
        #expect(read > 0, "seed \(seed): some damage only changes numbers")
    }

    @Test("is not made of noise", arguments: 0..<100 as Range<UInt64>)
    func noise(seed: UInt64) {
        let made = MadeDecisions(seed: seed ^ 0x5EED)
        var believed = 0
        for _ in 0..<1000 {
            let noise = (0..<made.below(100)).map { _ in UInt8(truncatingIfNeeded: made.random.next()) }
            if let record = RoutingRecordCoding.decode([1] + noise) { _ = record.replay() }
            for version: UInt8 in [0, 2] where RoutingRecordCoding.decode([version] + noise) != nil { believed += 1 }
        }
        #expect(believed == 0, "seed \(seed): of versions that there are not")
    }

    // MARK: Bounds

    @Test("cuts words that are too long between characters, and times and counts that are too large")
    func bounds() throws {
        var record = Self.golden
        record.asked = String(repeating: "é", count: 64) + "é"
        record.facts.likelyOutput = .max
        record.facts.outputCap = .max
        record.signals[0].perToken = .seconds(1 << 40)
        record.signals[0].firstToken = .seconds(-1)
        record.policy.regions = Set((0..<100).map { "region \($0 + 100)" })
        let read = try #require(RoutingRecordCoding.decode(encoded(record)))
        #expect(read.asked == String(repeating: "é", count: 64))
        #expect(read.policy.regions == Set((0..<32).map { "region \($0 + 100)" }))
        #expect(read.facts.outputCap == .max && read.signals[0].firstToken == .zero)
        #expect(read.replay().verdicts.count == 2)
    }

    @Test("is kept for up to 64 candidates, and left out for more")
    func mostCandidates() throws {
        let made = MadeDecisions(seed: 3)
        for count in [64, 65] {
            var record = Self.golden
            record.targets = (0..<count).map { _ in made.target() }
            record.signals = record.targets.map { _ in made.signal() }
            record.order = Array((0..<count).reversed())
            var bytes: [UInt8] = [7]
            #expect(RoutingRecordCoding.encode(record, into: &bytes) == (count == 64))
            #expect(count == 64 ? RoutingRecordCoding.decode(Array(bytes.dropFirst())) == record : bytes == [7])
        }
    }
}
