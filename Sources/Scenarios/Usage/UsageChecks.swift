import Database
import Inference
import Kernel
import TestKit

/// A row of usage as it is stored.
struct StoredUsage: Sendable, Equatable {
    let request: String
    let status: String
    let input: Int
    let output: Int
    let source: String
    let model: String

    init(row: Row) throws {
        request = try row.value("request_id")
        status = try row.value("status")
        input = try row.value("input_tokens")
        output = try row.value("output_tokens")
        source = try row.value("count_source")
        model = try row.value("model")
    }
}

/// What must be so when a run is over.
struct UsageChecks {
    let world: UsageWorld
    let rows: [StoredUsage]
    private(set) var failures: [String] = []

    init(_ world: UsageWorld, rows: [StoredUsage]) {
        self.world = world
        self.rows = rows
        world.noteSurvivor()
        checkClients()
        checkDeliveries()
        checkRequests()
        checkRows()
    }

    private mutating func fail(_ text: String) { if failures.count < 12 { failures.append(text) } }

    private func count(of request: String) -> Int { rows.count { $0.request == request } }

    private func life(of log: RequestLog) -> Life { world.lives[log.life] }

    // MARK: What clients saw

    private mutating func checkClients() {
        for outcome in world.clients.flatMap(\.outcomes) {
            let name = "request #\(outcome.plan.id) (\(outcome.request))"
            if case .hung = outcome.seen { fail("\(name) hung") }
            guard case .complete = outcome.seen, outcome.status == 200 else { continue }
            checkContents(of: outcome, name)
            guard let log = world.log[outcome.request] else {
                fail("\(name) was answered, and the journal never heard of it")
                continue
            }
            guard mustHaveRow(log), count(of: outcome.request) != 1 else { continue }
            fail("\(name) was answered completely and has \(count(of: outcome.request)) rows")
        }
    }

    /// Each delivery of a request is a request of its own, and what never arrived is none.
    private mutating func checkDeliveries() {
        let outcomes = world.clients.flatMap(\.outcomes)
        let names = outcomes.map(\.request).filter { !$0.isEmpty }
        if Set(names).count != names.count { fail("two answers are of one request") }
        var deliveries: [String: Int] = [:]
        for outcome in outcomes where !outcome.isLost { deliveries["plan-\(outcome.plan.id)", default: 0] += 1 }
        var begun: [String: Int] = [:]
        for open in world.log.values.compactMap(\.opens.first?.value) {
            begun[open.clientRequest ?? "", default: 0] += 1
        }
        for (name, count) in begun.sorted(by: { $0.key < $1.key }) where count > deliveries[name, default: 0] {
            fail("\(name) was begun \(count) times and delivered \(deliveries[name, default: 0]) times")
        }
    }

    private mutating func checkContents(of outcome: ClientOutcome, _ name: String) {
        let wanted = outcome.plan.isStream ? outcome.plan.answer.tokens : 1
        if outcome.contents != wanted { fail("\(name) looks complete with \(outcome.contents) of \(wanted) events") }
        if outcome.plan.answer.end != .whole { fail("\(name) looks complete, and its upstream broke off") }
    }

    /// Whether a complete answer of this request must have a row. Strictly kept ones always; in a group, what the
    /// power took before its sync may be missing.
    private func mustHaveRow(_ log: RequestLog) -> Bool {
        if life(of: log).isStrict { return true }
        guard let close = log.close else { return true }
        // What was begun and safe is settled, whatever became of its end.
        return mustSurvive(close, log) || log.opens.contains { mustSurvive($0, log) }
    }

    private func mustSurvive<Value>(_ entry: RequestLog.Entry<Value>, _ log: RequestLog) -> Bool {
        world.lives.mustSurvive(entry, of: log.life)
    }

    // MARK: What was begun

    private mutating func checkRequests() {
        for (id, log) in world.log.sorted(by: { $0.key < $1.key }) {
            let rows = count(of: id)
            if rows > 1 { fail("\(id) has \(rows) rows") }
            guard rows == 0 else { continue }
            if log.opens.contains(where: { mustSurvive($0, log) }) { fail("\(id) was opened and has no row") }
            if let close = log.close, mustSurvive(close, log) { fail("\(id) was closed and has no row") }
        }
    }

    // MARK: What is stored

    private mutating func checkRows() {
        for row in rows {
            guard let log = world.log[row.request] else {
                fail("\(row.request) has a row and was never opened")
                continue
            }
            if row.model != log.opens.first?.value.model { fail("\(row.request) is stored for model \(row.model)") }
            if row.status == RequestStatus.interrupted.rawValue {
                checkInterrupted(row, log)
            } else {
                checkEnded(row, log)
            }
        }
    }

    private mutating func checkEnded(_ row: StoredUsage, _ log: RequestLog) {
        guard let close = log.close?.value else { return fail("\(row.request) ended in its row only") }
        if row.status != close.status.rawValue || row.input != close.usage.inputTokens
            || row.output != close.usage.outputTokens
        {
            fail("\(row.request) is stored as \(row), and ended as \(close)")
        }
        let works = world.upstream.works.filter { $0.request == row.request }
        guard row.status == RequestStatus.succeeded.rawValue else {
            let most = works.map { max($0.produced, $0.toldUsage ? $0.reported.output : 0) }.max() ?? 0
            if row.output < 0 || row.output > most { fail("\(row.request) counts \(row.output) of \(most) tokens") }
            return
        }
        guard let work = works.last else { return fail("\(row.request) succeeded without an upstream") }
        // Where nobody tells, a whole answer counts a token for four bytes: five of `word ` for each that it has.
        let tokens = work.plan.answer.tokens
        let wanted = work.toldUsage ? work.reported.output : work.plan.isStream ? tokens : max(1, tokens * 5 / 4)
        if row.output != wanted { fail("\(row.request) counts \(row.output) tokens, and it was \(wanted)") }
        if work.toldUsage, row.input != work.reported.input { fail("\(row.request) counts \(row.input) of its prompt") }
    }

    /// Settled from what its last life left: one of its own figures, and none older than the last that was safe.
    private mutating func checkInterrupted(_ row: StoredUsage, _ log: RequestLog) {
        if life(of: log).end == .running { fail("\(row.request) is interrupted, and its platform never was") }
        if let close = log.close, mustSurvive(close, log) { fail("\(row.request) was closed and is stored as open") }
        let known = log.progress.map(\.value.usage)
        let isOne = known.contains { $0.inputTokens == row.input && $0.outputTokens == row.output }
        if !isOne, row.input != 0 || row.output != 0 { fail("\(row.request) is settled with figures of nobody") }
        guard let last = log.progress.last(where: { mustSurvive($0, log) })?.value.usage else { return }
        if row.output < last.outputTokens {
            fail("\(row.request) is settled with \(row.output) of \(last.outputTokens)")
        }
    }
}
