package import Kernel
import TestKit

extension UsagePlan {
    /// The plan that a seed stands for.
    /// - Parameter faults: none are in it when false.
    package init(_ random: some RandomSource, faults: Bool = true) {
        self.init()
        // Most mistakes need little: small plans are quick, and easy to read afterwards.
        let count = random.hits(3, in: 4) ? random.integer(in: 1...4) : random.integer(in: 1...12)
        var id = 0
        for _ in 0..<count { clients.append(Client(random, faults: faults, id: &id)) }
        isStrict = random.hits(in: 3)
        segmentBytes = random.pick([512, 1024, 2048, 4096, 1 << 20])
        watermark = random.pick([256, 1024, 4096, 65_536])
        network = Self.conditions(random, faults: faults)
        guard faults else { return }
        for _ in 0..<random.pick([0, 0, 1, 1, 1, 2, 3]) { crashes.append(Crash(random)) }
        for _ in 0..<random.pick([0, 0, 0, 1, 1, 2]) { databaseFaults.append(DatabaseFault(random)) }
        for _ in 0..<random.pick([0, 0, 0, 0, 1, 2]) { diskFaults.append(DiskFault(random)) }
        if random.hits(in: 6) { cuts.append(Cut(random)) }
        // Last: whatever else a seed stands for stays as it is.
        for client in clients.indices {
            for request in clients[client].requests.indices where random.hits(in: 12) {
                clients[client].requests[request].delivery = random.pick([.lost, .twice])
            }
        }
        if random.hits(in: 8) { crashes.append(Crash(withinRecord: random)) }
    }

    private static func conditions(_ random: some RandomSource, faults: Bool) -> NetworkConditions {
        var conditions = NetworkConditions()
        conditions.delay = random.pick([1...5, 20...300, 100...5000])
        // One byte a piece is the strictest test of what reads a stream, and the slowest.
        conditions.segment = random.hits(in: 24) ? 1...8 : random.pick([16...200, 100...1400, 512...16_384])
        conditions.window = random.pick([512, 4096, 65_536])
        guard faults else { return conditions }
        conditions.resets = random.pick([0, 0, 0, 200, 1000])
        conditions.refusals = random.pick([0, 0, 0, 20])
        conditions.silences = random.pick([0, 0, 0, 10])
        return conditions
    }
}

extension UsagePlan.Client {
    fileprivate init(_ random: some RandomSource, faults: Bool, id: inout Int) {
        let mode = random.pick(Mode.allCases)
        let pace = random.hits(in: 6) ? random.integer(in: 1...50) : 0
        var requests: [UsagePlan.Request] = []
        for _ in 0..<random.pick([1, 1, 2, 3]) {
            id += 1
            requests.append(UsagePlan.Request(random, faults: faults, id: id))
        }
        self.init(start: random.integer(in: 0...400), mode: mode, pace: pace, requests: requests)
    }
}

extension UsagePlan.Request {
    fileprivate init(_ random: some RandomSource, faults: Bool, id: Int) {
        let isStream = random.hits(3, in: 5)
        self.init(
            id: id, isStream: isStream, wantsUsage: random.hits(in: 2), isBroken: faults && random.hits(in: 20),
            promptBytes: random.pick([0, 10, 100, 100, 3000]),
            leavesAfter: faults && random.hits(in: 8) ? random.integer(in: 1...500) : nil,
            asksAgain: random.hits(in: 3),
            model: faults && random.hits(in: 25) ? .absent : random.hits(in: 2) ? .first : .second,
            answer: UsagePlan.Answer(random, faults: faults, isStream: isStream))
    }
}

extension UsagePlan.Answer {
    fileprivate init(_ random: some RandomSource, faults: Bool, isStream: Bool) {
        let tokens = random.hits(in: 10) ? random.integer(in: 60...200) : random.integer(in: 1...20)
        let end: End = faults && random.hits(in: 5) ? random.pick([.reset, .cut, .silence, .failure]) : .whole
        self.init(
            delay: random.integer(in: 0...100), tokens: tokens, gap: random.pick([0, 0, 1, 10, 40]), end: end,
            endsAfter: random.integer(in: 0...tokens), tellsUsage: random.hits(5, in: 6),
            saysDone: !faults || random.hits(14, in: 15), keepsConnection: random.hits(3, in: 4))
        // Whoever waits for a stream has four seconds for all of it.
        if tokens * gap > 2000 { gap = 10 }
    }
}

extension UsagePlan.Crash {
    /// Leaves a part of a record behind: what other crashes do too seldom for recovery to be tried on it.
    fileprivate init(withinRecord random: some RandomSource) {
        self.init(
            moment: .operation(random.integer(in: 1...20), on: .journalWrite), kind: .process, place: .within,
            share: random.integer(in: 4...15), downtime: random.integer(in: 1...400))
    }

    fileprivate init(_ random: some RandomSource) {
        let moment: Moment =
            switch random.next(below: 4) {
            case 0: .time(random.integer(in: 1...1500))
            case 1: .step(random.integer(in: 1...500))
            default: .operation(random.integer(in: 1...40), on: random.pick(File.allCases + [.journalWrite]))
            }
        self.init(
            moment: moment, kind: random.pick(DiskCrash.allCases),
            place: random.pick([.before, .within, .within, .after]),
            share: random.integer(in: 1...15), downtime: random.integer(in: 1...400))
    }
}

extension UsagePlan.DatabaseFault {
    fileprivate init(_ random: some RandomSource) {
        let from = random.integer(in: 0...1200)
        self.init(kind: random.pick(Kind.allCases), from: from, until: from + random.integer(in: 50...1500))
    }
}

extension UsagePlan.DiskFault {
    fileprivate init(_ random: some RandomSource) {
        let from = random.integer(in: 0...1200)
        self.init(kind: random.pick(Kind.allCases), from: from, until: from + random.integer(in: 50...800))
    }
}

extension UsagePlan.Cut {
    fileprivate init(_ random: some RandomSource) {
        let from = random.integer(in: 0...1000)
        self.init(between: random.pick(Between.allCases), from: from, until: from + random.integer(in: 50...1200))
    }
}
