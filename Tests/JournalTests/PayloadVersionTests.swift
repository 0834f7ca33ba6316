import Inference
import Kernel
import TestKit
import Testing

@testable import Journal

/// Payloads of every version: older ones are still read, the last survives its encoding, and damage is never believed
/// to be more than it is.
@Suite struct PayloadVersionTests {
    // MARK: The first version

    /// As the first version's platforms have them on disk.
    private static let openBytes = """
        0103f9e8d7c6b5a493018877665544332211010000000000000002000000000000000300000000000000040000000000\
        0000050000000000000006000000000000000102004022644159440600040074696e790800636c69656e742d31
        """
    private static let progressBytes = """
        0101f9e8d7c6b5a493018877665544332211030300000000000000290000000000000090d00300000000003075000000\
        000000
        """
    private static let closeBytes = """
        010ff9e8d7c6b5a493018877665544332211010000000000000002000000000000000300000000000000040000000000\
        000005000000000000000600000000000000010301c80007000000000000000e000000000000004022644159440600c0\
        d40100000000003075000000000000040074696e790800636c69656e742d311200555053545245414d5f5452554e4341\
        544544
        """

    private static let request = RequestID(ULID(high: 0x0193_A4B5_C6D7_E8F9, low: 0x1122_3344_5566_7788))
    private static let workspace = WorkspaceID(ULID(high: 1, low: 2))
    private static let key = KeyID(ULID(high: 3, low: 4))
    private static let deployment = DeploymentID(ULID(high: 5, low: 6))
    private static let started = Instant(microseconds: 1_764_000_000_123_456)

    private func bytes(_ hexadecimal: String) throws -> [UInt8] {
        let digits = Array(hexadecimal)
        return try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(digits[$0...$0 + 1]), radix: 16))
        }
    }

    private func read(_ kind: RecordKind, _ payload: [UInt8]) -> JournalRecord? {
        payload.withUnsafeBytes { JournalRecord(kind, $0) }
    }

    @Test("records that an earlier platform wrote are read, with nothing held and nothing attempted")
    func firstVersion() throws {
        let open = OpenRequest(
            request: Self.request, clientRequest: "client-1", workspace: Self.workspace, key: Self.key,
            operation: .chat, model: "tiny", deployment: Self.deployment, isStream: true, attempt: 2,
            started: Self.started)
        #expect(read(.open, try bytes(Self.openBytes)) == .open(open))
        let progress = RequestProgress(
            request: Self.request, usage: Usage(inputTokens: 3, outputTokens: 41, source: .estimated),
            elapsed: .milliseconds(250), firstToken: .milliseconds(30))
        #expect(read(.progress, try bytes(Self.progressBytes)) == .progress(progress))
        let record = UsageRecord(
            request: Self.request, clientRequest: "client-1", workspace: Self.workspace, key: Self.key,
            operation: .chat, model: "tiny", deployment: Self.deployment, isStream: true, status: .truncated,
            httpStatus: 200, errorCode: "UPSTREAM_TRUNCATED",
            usage: Usage(inputTokens: 7, outputTokens: 14, source: .provider), started: Self.started,
            latency: .milliseconds(120), firstToken: .milliseconds(30))
        #expect(read(.close, try bytes(Self.closeBytes)) == .close(record))
        #expect(read(.settled, try bytes(Self.closeBytes)) == .settled(record))
        #expect(record.billing == .none && record.attempts.isEmpty)
    }

    @Test("a version that is not known yet is not guessed at")
    func laterVersion() throws {
        var payload = try bytes(Self.closeBytes)
        payload[0] = 4
        #expect(read(.close, payload) == nil)
        payload[0] = 0
        #expect(read(.close, payload) == nil)
    }

    // MARK: The second version

    /// As the second version's platforms have them on disk.
    private static let openBytesOfTwo = """
        0203f9e8d7c6b5a493018877665544332211010000000000000002000000000000000300000000000000040000000000\
        0000050000000000000006000000000000000102004022644159440600040074696e790800636c69656e742d311f0700\
        000000000000080000000000000009000000000000000a000000000000000b000000000000000c000000000000000205\
        0062617463680200c3a90300000004000000020001020d000000000000000e00000000000000fbffffffffffffff0002\
        410f000000000000001000000000000000e8030000000000000111000000000000001200000000000000
        """
    private static let closeBytesOfTwo = """
        020ff9e8d7c6b5a493018877665544332211010000000000000002000000000000000300000000000000040000000000\
        000005000000000000000600000000000000010301c80007000000000000000e00000000000000030000000000000002\
        000000000000004022644159440600c0d40100000000003075000000000000040074696e790800636c69656e742d3112\
        00555053545245414d5f5452554e43415445441f0700000000000000080000000000000009000000000000000a000000\
        000000000b000000000000000c0000000000000002050062617463680200c3a90300000004000000020001020d000000\
        000000000e00000000000000fbffffffffffffff0002410f000000000000001000000000000000e80300000000000001\
        110000000000000012000000000000000201000500000000000000070000000000000004000200050000000000000006\
        000000000000000101040075702d31
        """

    private static let billing = BillingFacts(
        tenant: TenantID(ULID(high: 7, low: 8)), user: UserID(ULID(high: 9, low: 10)), tags: ["batch", "é"],
        hold: Hold(
            prices: 3, costs: 4,
            parts: [
                Hold.Part(
                    role: .purse, account: AccountID(ULID(high: 13, low: 14)), escrow: nil, amount: -5,
                    asset: .money(.usd)),
                Hold.Part(
                    role: .budget, account: AccountID(ULID(high: 15, low: 16)),
                    escrow: EscrowID(ULID(high: 17, low: 18)), amount: 1000, asset: .tokens),
            ]), provider: ProviderID(ULID(high: 11, low: 12)))

    @Test("records from before there were routes are read, and all their calls went to the request's provider")
    func secondVersion() throws {
        let open = OpenRequest(
            request: Self.request, clientRequest: "client-1", workspace: Self.workspace, key: Self.key,
            operation: .chat, model: "tiny", deployment: Self.deployment, isStream: true, attempt: 2,
            started: Self.started, billing: Self.billing)
        #expect(read(.open, try bytes(Self.openBytesOfTwo)) == .open(open))
        let provider = Self.billing.provider
        let record = UsageRecord(
            request: Self.request, clientRequest: "client-1", workspace: Self.workspace, key: Self.key,
            operation: .chat, model: "tiny", deployment: Self.deployment, isStream: true, status: .truncated,
            httpStatus: 200, errorCode: "UPSTREAM_TRUNCATED",
            usage: Usage(inputTokens: 7, outputTokens: 14, cachedTokens: 3, reasoningTokens: 2, source: .provider),
            started: Self.started, latency: .milliseconds(120), firstToken: .milliseconds(30), billing: Self.billing,
            attempts: [
                Attempt(
                    number: 1, deployment: DeploymentID(ULID(high: 5, low: 7)), provider: provider, upstream: nil,
                    cost: .none),
                Attempt(
                    number: 2, deployment: Self.deployment, provider: provider, upstream: "up-1", cost: .confirmed),
            ])
        #expect(read(.close, try bytes(Self.closeBytesOfTwo)) == .close(record))
        #expect(record.route.isEmpty)
    }

    // MARK: The third version

    @Test("a route that is too long is left out, and what it was of is kept")
    func longRoute() throws {
        let made = MadeRecords(seed: 2)
        for count in [8192, 8193, 70_000] {
            let (open, record) = (made.open(parts: 1, route: count), made.record(route: count))
            let kept = count <= 8192
            guard case .open(let readOpen)? = read(.open, encoded(.open(open))),
                case .close(let readRecord)? = read(.close, encoded(.close(record)))
            else {
                Issue.record("a record with a route of \(count) bytes cannot be read")
                return
            }
            #expect(readOpen.route == (kept ? open.route : []) && readOpen.billing == open.billing)
            #expect(readRecord.route == (kept ? record.route : []) && readRecord.attempts == record.attempts)
        }
    }

    @Test("whatever a record says survives its encoding, and is refused when it is cut", arguments: 0..<200)
    func roundTrip(number: Int) throws {
        let made = MadeRecords(seed: UInt64(number))
        for record in made.all() {
            let payload = encoded(record)
            #expect(read(record.kind, payload) == record, "seed \(number)")
            #expect(payload.count < RecordFrame.maximumLength)
            // Each cut of a short one; some of a long one.
            for count in stride(from: 0, to: payload.count, by: max(1, payload.count / 150)) {
                #expect(read(record.kind, Array(payload[..<count])) == nil, "seed \(number), cut at \(count)")
            }
        }
    }

    @Test("bytes that are damaged, or were never a record, end no process", arguments: 0..<300)
    func damage(seed: Int) throws {
        let made = MadeRecords(seed: UInt64(seed) ^ 0x5EED)
        for record in made.all() {
            var payload = encoded(record)
            for _ in 0..<8 {
                let place = made.random.next(below: UInt64(payload.count))
                payload[Int(place)] = UInt8(truncatingIfNeeded: made.random.next())
                if let read = read(record.kind, payload) { #expect(read.kind == record.kind, "seed \(seed)") }
            }
        }
        let noise = (0..<made.random.next(below: 4096)).map { _ in UInt8(truncatingIfNeeded: made.random.next()) }
        for kind in RecordKind.allCases {
            for version: UInt8 in [0, 1, 2, 3, 4] { _ = read(kind, [version] + noise) }
        }
    }

    @Test("the longest record there can be fits into a frame")
    func longest() throws {
        let made = MadeRecords(seed: 1)
        let record = made.longest()
        let payload = encoded(.close(record))
        #expect(payload.count + RecordFrame.head < RecordFrame.maximumLength)
        #expect(read(.close, payload) == .close(record))
    }

    private func encoded(_ record: JournalRecord) -> [UInt8] {
        var writer = ByteWriter(capacity: 16)
        record.encode(into: &writer)
        return writer.bytes
    }

    // MARK: Recovery

    @Test("what a killed process leaves open is settled with its hold, and nobody knows what the call cost")
    func recovery() async throws {
        let bench = try JournalBench()
        let made = MadeRecords(seed: 7)
        let open = made.open(parts: 5, route: 90, provider: ProviderID(ULID(high: 1, low: 1)))
        let journal = try bench.open(writer: .stepped)
        journal.open(open)
        journal.progress(
            RequestProgress(
                request: open.request,
                usage: Usage(inputTokens: 9, outputTokens: 4, cachedTokens: 2, reasoningTokens: 1, source: .estimated),
                elapsed: .milliseconds(5), firstToken: nil))
        let crashed = try bench.crashCopy()
        journal.close()
        let reopened = try crashed.open(writer: .stepped)
        try await crashed.shipper(reopened).shipAll()
        let row = try #require(crashed.store.record(of: open.request))
        #expect(row.billing == open.billing)
        #expect(row.usage.cachedTokens == 2 && row.usage.reasoningTokens == 1)
        #expect(row.attempts.dropLast() == open.before[...])
        let last = try #require(row.attempts.last)
        #expect(last.cost == .unknown && last.number == open.attempt)
        #expect(last.provider == open.billing.provider && last.provider != nil)
        #expect(row.route == open.route && !row.route.isEmpty)
        reopened.close()
    }

    @Test("a request that is copied forward keeps its hold")
    func copiedForward() async throws {
        let bench = try JournalBench()
        let made = MadeRecords(seed: 8)
        let open = made.open(parts: 3, route: 90)
        var limits = JournalLimits()
        limits.segmentBytes = 2000
        let journal = try bench.open(limits, writer: .stepped)
        journal.open(open)
        for _ in 0..<40 {
            bench.append(20, to: journal)
            bench.step(journal)
            try await bench.shipper(journal).shipAll()
        }
        #expect(try bench.contents().contains { $0.record == .open(open) && $0.sequence > 1 })
        let crashed = try bench.crashCopy()
        journal.close()
        let reopened = try crashed.open(writer: .stepped)
        try await crashed.shipper(reopened).shipAll()
        #expect(crashed.store.record(of: open.request)?.billing == open.billing)
        #expect(crashed.store.record(of: open.request)?.route == open.route)
        reopened.close()
    }
}
