import Flows
import Kernel
import Synchronization
import Tenancy
import TestKit
import Testing

/// Not for secrets; keyed, which is all that these tests need.
private struct ToySealer: AuditSealer {
    let key: UInt64

    func seal(_ bytes: [UInt8]) -> [UInt8] {
        var words = (0..<4).map { key &+ $0 &* 0x9E37_79B9_7F4A_7C15 }
        for byte in bytes {
            for index in words.indices { words[index] = (words[index] ^ UInt64(byte)) &* 0x100_0000_01B3 }
            words[Int(byte) % 4] ^= words[3] >> 29
        }
        return words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    }
}

/// Rows as somebody with the database's password can make them.
private final class OpenLog: AuditStore, AuditAnchors {
    struct State {
        var rows: [TenantID?: [AuditEvent]] = [:]
        var heads: [TenantID?: AuditHead] = [:]
        var anchors: [TenantID?: AuditHead]? = [:]
    }

    let state = Mutex(State())
    let sealer: ToySealer

    init(sealer: ToySealer) { self.sealer = sealer }

    func append(_ entry: AuditEntry) async throws {
        state.withLock { state in
            let head = state.heads[entry.tenant]
            let event = AuditChain.event(
                entry, sequence: (head?.sequence ?? 0) + 1, previous: head?.seal ?? AuditChain.beginning,
                sealer: sealer)
            state.rows[entry.tenant, default: []].append(event)
            state.heads[entry.tenant] = AuditHead(tenant: entry.tenant, sequence: event.sequence, seal: event.seal)
        }
    }

    func list(of tenant: TenantID?, page: PageRequest) async throws -> Page<AuditEvent> {
        Page(rows: [], limit: page.limit) { String($0.sequence) }
    }

    func events(of tenant: TenantID?, after sequence: Int64, limit: Int) async throws -> [AuditEvent] {
        state.withLock { state in
            Array((state.rows[tenant] ?? []).filter { $0.sequence > sequence }.prefix(limit))
        }
    }

    func heads(changedAfter time: Instant?) async throws -> [AuditHead] { state.withLock { Array($0.heads.values) } }

    func anchor(_ heads: [AuditHead]) async throws {
        state.withLock { state in for head in heads { state.anchors?[head.tenant] = head } }
    }

    func all() async throws -> [AuditHead] { state.withLock { $0.anchors.map { Array($0.values) } ?? [] } }

    func complaints() async throws -> [String] { state.withLock { $0.anchors == nil ? ["There is no anchor."] : [] } }
}

@Suite struct AuditVerificationTests {
    private let samples = Samples()
    private let sealer = ToySealer(key: 7)

    private func log(_ events: Int, tenants: Int = 1) async throws -> (OpenLog, [TenantID?]) {
        let log = OpenLog(sealer: sealer)
        let chains: [TenantID?] = [nil] + (0..<tenants).map { _ in samples.ids.next() }
        for index in 0..<events {
            for chain in chains {
                try await log.append(
                    AuditEntry(
                        id: samples.ids.next(), tenant: chain, at: samples.clock.now, actor: "operator",
                        action: "key.create", subject: "key \(index)", details: ["name": "n\(index)"]))
            }
        }
        try await log.anchor(log.heads(changedAfter: nil))
        return (log, chains)
    }

    private func flow(_ log: OpenLog) -> AuditVerificationFlow {
        AuditVerificationFlow(store: log, anchors: log, sealer: sealer)
    }

    @Test("an intact log holds, and the verdict says how far each chain is anchored")
    func intact() async throws {
        let (log, chains) = try await log(1200, tenants: 2)
        let verdict = try await flow(log).verifyAll()
        #expect(verdict.ok)
        #expect(verdict.faults.isEmpty)
        #expect(verdict.chains.map(\.tenant) == [nil] + chains.compactMap(\.self).sorted())
        #expect(verdict.chains.allSatisfy { $0.events == 1200 && $0.anchored == 1200 })
    }

    @Test("a platform without any act has one chain, which is empty and holds")
    func empty() async throws {
        let verdict = try await flow(OpenLog(sealer: sealer)).verifyAll()
        #expect(verdict.ok)
        #expect(verdict.chains == [AuditVerdict.Chain(tenant: nil, events: 0, anchored: nil)])
    }

    @Test("one chain is verified without what is wrong in another")
    func oneChain() async throws {
        let (log, chains) = try await log(5, tenants: 2)
        log.state.withLock { _ = $0.rows[chains[1]]?.remove(at: 2) }
        let flow = flow(log)
        let sound = try await flow.verify(of: chains[2])
        #expect(sound.ok && sound.chains.count == 1)
        #expect(try await !flow.verify(of: chains[1]).ok)
        #expect(try await !flow.verifyAll().ok)
    }

    /// What somebody does to rows, and the fault that must be told for it: its kind and place.
    private enum Tampering: CaseIterable {
        case change, changeWithSealOfOther, deleteMiddle, deleteTail, deleteTailAndHead, swapPlaces, swapContents
        case recompute, recomputeTail, deleteChain, insert, forgeHead, fork
    }

    @Test("every tampering is found, wherever it is", arguments: Tampering.allCases)
    private func found(tampering: Tampering) async throws {
        for seed in UInt64(1)...40 {
            let random = SeededRandom(seed: seed)
            let (log, chains) = try await log(3 + Int(random.next(below: 30)))
            let chain = chains[Int(random.next(below: 2))]
            let expected = try await tamper(tampering, with: log, chain, random)
            let verdict = try await flow(log).verifyAll()
            #expect(!verdict.ok, "seed \(seed)")
            let kinds = Set(verdict.faults.map(\.kind))
            #expect(
                verdict.faults.contains {
                    $0.kind == expected.kind.rawValue && $0.sequence == expected.place && $0.tenant == chain
                }, "seed \(seed): \(expected) is not in \(verdict.faults)")
            #expect(verdict.faults.allSatisfy { $0.tenant == chain }, "seed \(seed): \(kinds)")
        }
    }

    private typealias Finding = (kind: AuditFault.Kind, place: Int64)
    private typealias Rows = [AuditEvent]

    private func tamper(
        _ tampering: Tampering, with log: OpenLog, _ chain: TenantID?, _ random: SeededRandom
    ) async throws -> Finding {
        let rows = log.state.withLock { $0.rows[chain] ?? [] }
        // Neither the first nor the last, so that there is always something on both sides.
        let index = 1 + Int(random.next(below: UInt64(rows.count - 2)))
        let finding: Finding
        switch tampering {
        case .change, .changeWithSealOfOther, .deleteMiddle, .swapPlaces, .swapContents, .recomputeTail:
            let (changed, found) = inside(tampering, rows, index)
            finding = found
            log.state.withLock { $0.rows[chain] = changed }
        case .deleteTail, .deleteTailAndHead, .recompute, .deleteChain, .insert:
            let (changed, found) = atTheEnds(tampering, rows, index)
            finding = found
            log.state.withLock { state in
                state.rows[chain] = changed
                if tampering != .deleteTail { state.heads[chain] = head(of: changed, chain) }
            }
        case .forgeHead:
            finding = (.replaced, Int64(rows.count))
            log.state.withLock { state in
                state.heads[chain] = AuditHead(
                    tenant: chain, sequence: Int64(rows.count), seal: AuditChain.beginning)
                state.anchors?[chain] = nil
            }
        case .fork:
            // The platform itself goes on after the tail was cut off, beyond where it was.
            finding = (.replaced, Int64(rows.count))
            log.state.withLock { state in
                state.rows[chain] = Array(rows[..<index])
                state.heads[chain] = head(of: Array(rows[..<index]), chain)
            }
            for _ in index..<(rows.count + 2) { try await log.append(changed(rows[0], actor: "later").entry) }
        }
        return finding
    }

    private func head(of rows: Rows, _ chain: TenantID?) -> AuditHead? {
        rows.last.map { AuditHead(tenant: chain, sequence: $0.sequence, seal: $0.seal) }
    }

    private func inside(_ tampering: Tampering, _ stored: Rows, _ index: Int) -> (Rows, Finding) {
        var rows = stored
        let place = Int64(index + 1)
        let (one, before) = (stored[index], stored[index - 1])
        switch tampering {
        case .changeWithSealOfOther:
            rows[index] = AuditEvent(
                entry: one.entry, sequence: place, previous: one.previous, seal: before.seal)
        case .deleteMiddle:
            rows.remove(at: index)
            return (rows, (.missing, place))
        case .swapPlaces:
            rows[index - 1] = moved(one, to: place - 1)
            rows[index] = moved(before, to: place)
            return (rows, (.reordered, place - 1))
        case .swapContents:
            rows[index] = AuditEvent(
                entry: before.entry, sequence: place, previous: one.previous, seal: one.seal)
            rows[index - 1] = AuditEvent(
                entry: one.entry, sequence: place - 1, previous: before.previous, seal: before.seal)
            return (rows, (.reordered, place - 1))
        case .recomputeTail:
            rows[index...] =
                chained(
                    rows[index...].map { changed($0, actor: "x").entry }, after: before.seal, from: place)[...]
        default:
            rows[index] = changed(one, actor: "somebody else")
        }
        return (rows, (.changed, place))
    }

    private func atTheEnds(_ tampering: Tampering, _ stored: Rows, _ index: Int) -> (Rows, Finding) {
        let end = Int64(stored.count)
        switch tampering {
        case .deleteTail:
            return (Array(stored.dropLast()), (.truncated, end))
        case .deleteTailAndHead:
            return (Array(stored[..<index]), (.truncated, Int64(index + 1)))
        case .recompute:
            let rows = chained(
                stored.map { changed($0, actor: "x").entry }, after: AuditChain.beginning, from: 1)
            return (rows, (.replaced, end))
        case .insert:
            let forged = chained(
                [changed(stored[index], actor: "x").entry], after: stored.last?.seal ?? [], from: end + 1)
            return (stored + forged, (.changed, end + 1))
        default:
            return ([], (.truncated, 1))
        }
    }

    private func changed(_ event: AuditEvent, actor: String) -> AuditEvent {
        let old = event.entry
        let entry = AuditEntry(
            id: old.id, tenant: old.tenant, at: old.at, actor: actor, action: old.action, subject: old.subject,
            details: old.details)
        return AuditEvent(entry: entry, sequence: event.sequence, previous: event.previous, seal: event.seal)
    }

    private func moved(_ event: AuditEvent, to place: Int64) -> AuditEvent {
        AuditEvent(entry: event.entry, sequence: place, previous: event.previous, seal: event.seal)
    }

    /// By somebody who does not have the key.
    private func chained(_ entries: [AuditEntry], after seal: [UInt8], from first: Int64) -> [AuditEvent] {
        var seal = seal
        return entries.enumerated().map { index, entry in
            let event = AuditChain.event(
                entry, sequence: first + Int64(index), previous: seal, sealer: ToySealer(key: 8))
            seal = event.seal
            return event
        }
    }

    @Test("with the anchors gone too, that is told, though the cut tail cannot be seen")
    func noAnchors() async throws {
        let (log, _) = try await log(10)
        log.state.withLock { state in
            state.rows[nil]?.removeLast(3)
            state.heads[nil] = state.rows[nil]?.last.map {
                AuditHead(tenant: nil, sequence: $0.sequence, seal: $0.seal)
            }
            state.anchors = nil
        }
        let verdict = try await flow(log).verifyAll()
        #expect(!verdict.ok)
        #expect(verdict.faults.map(\.kind) == ["unanchored"])
        #expect(verdict.chains.allSatisfy { $0.anchored == nil })
    }

    @Test("a chain that was made anew is one finding, not one for each event")
    func bounded() async throws {
        let (log, _) = try await log(3000)
        log.state.withLock { state in
            state.rows[nil] = chained((state.rows[nil] ?? []).map(\.entry), after: AuditChain.beginning, from: 1)
        }
        let verdict = try await flow(log).verifyAll()
        #expect(verdict.faults.filter { $0.kind == "changed" }.count == 1)
        #expect(verdict.faults.count <= 100)
        #expect(verdict.faults.contains { $0.message.contains("events 1 to 3000") })
    }

    @Test("many faults apart from each other are told up to a hundred")
    func many() async throws {
        let (log, _) = try await log(1000)
        log.state.withLock { state in
            for index in stride(from: 0, to: 1000, by: 3) {
                state.rows[nil] = state.rows[nil].map { rows in
                    var rows = rows
                    rows[index] = changed(rows[index], actor: "x")
                    return rows
                }
            }
        }
        let verdict = try await flow(log).verifyAll()
        #expect(verdict.faults.count == 100)
    }
}
