import Inference
import Journal
import Kernel
import TestKit

/// Records of every shape, from a seed.
struct MadeRecords {
    let random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    func all() -> [JournalRecord] {
        let open = open(parts: Int(random.next(below: 5)))
        return [
            .open(open), .progress(progress()), .close(record()), .settled(UsageRecord(interrupted: open, after: nil)),
        ]
    }

    /// - Parameters:
    ///   - route: its bytes; any number without it.
    ///   - provider: whose endpoint; any, or none, without it.
    func open(parts: Int, route: Int? = nil, provider: ProviderID? = nil) -> OpenRequest {
        let facts = billing(parts: parts)
        let before = (0..<random.next(below: 3)).map { attempt(Int($0) + 1, text(20), provider: provider) }
        return OpenRequest(
            request: id(), clientRequest: maybe { text(40) }, workspace: id(), key: id(), operation: any(),
            model: text(60), deployment: id(), isStream: flag(), attempt: before.count + 1,
            started: Instant(microseconds: whole()),
            billing: provider.map {
                BillingFacts(tenant: facts.tenant, user: facts.user, tags: facts.tags, hold: facts.hold, provider: $0)
            } ?? facts, route: bytes(route),
            before: before)
    }

    func progress() -> RequestProgress {
        RequestProgress(
            request: id(), usage: usage(), elapsed: .microseconds(whole()), firstToken: maybe { .microseconds(whole()) }
        )
    }

    func record(route: Int? = nil) -> UsageRecord {
        UsageRecord(
            request: id(), clientRequest: maybe { text(40) }, workspace: id(), key: id(), operation: any(),
            model: text(60), deployment: id(), isStream: flag(), status: any(),
            httpStatus: Int(random.next(below: 600)), errorCode: maybe { text(30) }, usage: usage(),
            started: Instant(microseconds: whole()), latency: .microseconds(whole()),
            firstToken: maybe { .microseconds(whole()) }, billing: billing(parts: Int(random.next(below: 5))),
            attempts: (0..<random.next(below: 4)).map { attempt(Int($0) + 1, text(30), provider: maybe { id() }) },
            route: bytes(route))
    }

    /// Of each thing as much as a record keeps.
    func longest() -> UsageRecord {
        let long = String(repeating: "x", count: 1024)
        let parts = (0..<Hold.maximumParts).map { _ in part(isHeld: true) }
        return UsageRecord(
            request: id(), clientRequest: long, workspace: id(), key: id(), operation: .chat, model: long,
            deployment: id(), isStream: true, status: .succeeded, httpStatus: 200, errorCode: long, usage: usage(),
            started: Instant(microseconds: whole()), latency: .zero, firstToken: .zero,
            billing: BillingFacts(
                tenant: id(), user: id(),
                tags: (0..<16).map { String($0) + String(repeating: "t", count: 120) },
                hold: Hold(prices: 1, costs: 1, parts: parts), provider: id()),
            attempts: (1...16).map { attempt($0, String(repeating: "u", count: 256), provider: id()) },
            route: bytes(8192))
    }

    private func billing(parts: Int) -> BillingFacts {
        if parts == 0, flag() { return .none }
        let hold = Hold(
            prices: Int(random.next(below: 1 << 32)), costs: Int(random.next(below: 9)),
            parts: (0..<parts).map { _ in part(isHeld: flag()) })
        return BillingFacts(
            tenant: maybe { id() }, user: maybe { id() }, tags: (0..<random.next(below: 4)).map { _ in text(64) },
            hold: hold, provider: maybe { id() })
    }

    private func part(isHeld: Bool) -> Hold.Part {
        Hold.Part(
            role: any(), account: id(), escrow: isHeld ? id() : nil, amount: whole(),
            asset: Asset.all[Int(random.next(below: UInt64(Asset.all.count)))])
    }

    private func attempt(_ number: Int, _ upstream: String, provider: ProviderID?) -> Attempt {
        Attempt(
            number: number, deployment: id(), provider: provider, upstream: maybe { upstream }, cost: any(),
            told: maybe { Money(units: whole(), any()) })
    }

    private func bytes(_ count: Int?) -> [UInt8] {
        (0..<(count ?? Int(random.next(below: 200)))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    private func usage() -> Usage {
        Usage(
            inputTokens: Int(random.next(below: 1 << 40)), outputTokens: Int(random.next(below: 1 << 40)),
            cachedTokens: Int(random.next(below: 100)), reasoningTokens: Int(random.next(below: 100)), source: any())
    }

    // MARK: Small things

    private func id<Kind: IDKind>() -> ID<Kind> { ID(ULID(high: random.next(), low: random.next())) }
    private func flag() -> Bool { random.next(below: 2) == 1 }
    private func whole() -> Int64 { Int64(bitPattern: random.next()) }

    private func any<Value: CaseIterable>() -> Value where Value.AllCases == [Value] {
        Value.allCases[Int(random.next(below: UInt64(Value.allCases.count)))]
    }

    private func maybe<Value>(_ make: () -> Value) -> Value? { flag() ? make() : nil }

    /// Of one, two and four bytes a character.
    private func text(_ limit: UInt64) -> String {
        let letters: [Character] = ["a", "7", "-", "é", "ق", "🪶"]
        return String((0..<random.next(below: limit / 4)).map { _ in letters[Int(random.next(below: 6))] })
    }
}
