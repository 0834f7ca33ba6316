package import Kernel
import TestKit

extension MoneyPlan {
    /// The plan that a seed stands for.
    /// - Parameter faults: none are in it when false.
    package init(_ random: some RandomSource, faults: Bool = true) {
        self.init()
        nodes = (0..<random.pick([1, 1, 2, 2, 3])).map { _ in Node(random, faults: faults) }
        places = (0..<random.pick([1, 1, 2, 3])).map { _ in Place(random) }
        let span = random.pick([1500, 4000, 8000, 8000])
        for _ in 0..<random.pick([0, 1, 1, 2, 3]) { addBound(random) }
        for _ in 0..<random.pick([0, 0, 0, 1, 2]) { limits.append(Limit(random, places: places.count)) }
        // Of the same scope, asset, period and hardness there is one.
        var seen: [Bound] = []
        bounds.removeAll { bound in
            let isThere = seen.contains { $0.isLike(bound) }
            seen.append(bound)
            return isThere
        }
        limits = limits.enumerated().filter { index, limit in
            !limits[..<index].contains { $0.place == limit.place && $0.quantity == limit.quantity }
        }.map(\.element)
        prices = (0..<4).map { _ in Int64(random.integer(in: 1...6000)) }
        if random.hits(in: 3) { changeover = random.integer(in: 100...span) }
        hourEnds = random.hits(in: 2) ? random.integer(in: 200...span) : 1_000_000
        isStrict = random.hits(in: 4)
        segmentBytes = random.pick([1024, 4096, 1 << 20])
        for id in 1...random.integer(in: 6...random.pick([10, 16, 28])) {
            requests.append(Request(random, id: id, nodes: nodes.count, places: places.count, span: span))
        }
        guard faults else { return }
        for _ in 0..<random.pick([0, 0, 1, 1, 2]) { crashes.append(Crash(random, nodes: nodes.count, span: span)) }
        for _ in 0..<random.pick([0, 0, 1, 1, 2]) { self.faults.append(Fault(random, nodes: nodes.count, span: span)) }
        if random.hits(in: 8) { serverCrashes.append(ServerCrash(random, span: span)) }
        for _ in 0..<random.pick([0, 0, 0, 1, 2]) {
            steps.append(
                Step(
                    node: random.integer(in: 0...nodes.count - 1), at: random.integer(in: 0...span),
                    seconds: random.integer(in: -10_000...10_000)))
        }
        if random.hits(in: 5) {
            drains.append(
                Drain(
                    node: random.integer(in: 0...nodes.count - 1), at: random.integer(in: 300...span),
                    downtime: random.integer(in: 50...2000)))
        }
        if random.hits(in: 5) { addOutage(random) }
    }

    /// A node that has plenty in memory loses the database for longer than its right lasts, and is asked all the time.
    private mutating func addOutage(_ random: some RandomSource) {
        let node = random.integer(in: 0...nodes.count - 1)
        let wall = Bound(place: nil, counted: .requests, period: .total, isHard: true, amount: 1000)
        if !bounds.contains(where: { $0.isLike(wall) }) { bounds.append(wall) }
        let from = random.integer(in: 500...2500)
        faults.append(Fault(node: node, kind: .away, from: from, until: from + 7000))
        let last = requests.map(\.id).max() ?? 0
        for (count, at) in [-400, -300, -200, -100, 1500, 2700, 3100, 3600, 4400, 5200].enumerated() {
            var request = Request(random, id: last + count + 1, nodes: nodes.count, places: places.count, span: 1)
            request.node = node
            request.at = from + at
            requests.append(request)
        }
    }

    private mutating func addBound(_ random: some RandomSource) {
        let counted = random.pick(Bound.Counted.allCases + [.money])
        let amount =
            switch counted {
            case .money: random.integer(in: 500...30_000)
            case .tokens: random.integer(in: 100...6000)
            case .requests: random.integer(in: 1...20)
            }
        bounds.append(
            Bound(
                place: random.hits(in: 2) ? nil : random.integer(in: 0...places.count - 1), counted: counted,
                period: random.pick([.total, .hour, .hour, .rolling]), isHard: random.hits(3, in: 4),
                amount: Int64(amount)))
    }
}

extension MoneyPlan.Bound {
    /// Whether the two would be one budget.
    func isLike(_ other: Self) -> Bool {
        place == other.place && counted == other.counted && period == other.period && isHard == other.isHard
    }
}

extension MoneyPlan.Node {
    fileprivate init(_ random: some RandomSource, faults: Bool) {
        guard faults else { return }
        offset = random.hits(in: 4) ? random.integer(in: -5000...5000) : 0
        drift = random.hits(in: 3) ? random.integer(in: -2000...2000) : 0
    }
}

extension MoneyPlan.Place {
    fileprivate init(_ random: some RandomSource) {
        wallet = random.pick([.none, .postpaid, .prepaid, .prepaid])
        let most = wallet == .none ? 1 : 3
        for _ in 0..<random.integer(in: wallet == .prepaid ? 1...most : 0...most) {
            grants.append(
                MoneyPlan.Grant(
                    amount: Int64(random.integer(in: 200...20_000)), priority: random.integer(in: 0...2),
                    ends: random.hits(in: 4) ? random.integer(in: 500...5000) : nil))
        }
    }
}

extension MoneyPlan.Limit {
    fileprivate init(_ random: some RandomSource, places: Int) {
        quantity = random.pick(Quantity.allCases)
        place = random.integer(in: 0...places - 1)
        amount =
            switch quantity {
            case .requests: Int64(random.integer(in: 2...30))
            case .tokens: Int64(random.integer(in: 300...6000))
            case .concurrency: Int64(random.integer(in: 1...4))
            }
    }
}

extension MoneyPlan.Request {
    fileprivate init(_ random: some RandomSource, id: Int, nodes: Int, places: Int, span: Int) {
        self.id = id
        node = random.integer(in: 0...nodes - 1)
        place = random.integer(in: 0...places - 1)
        model = random.hits(in: 20) ? .absent : random.hits(in: 2) ? .first : .second
        at = random.integer(in: 0...span)
        prompt = random.integer(in: 1...200)
        cached = random.hits(in: 4) ? random.integer(in: 0...prompt) : 0
        cap = random.integer(in: 1...300)
        let isBold = random.hits(in: 12)
        output = random.integer(in: isBold ? cap...cap + 200 : 0...cap)
        reasoning = random.hits(in: 4) ? random.integer(in: 0...output) : 0
        duration = random.pick([0, 5, 50, 200, 800, 2500])
        end = random.hits(in: 3) ? random.pick(End.allCases) : .whole
        patience = random.hits(in: 10) ? random.integer(in: 1...1500) : nil
    }
}

extension MoneyPlan.Crash {
    fileprivate init(_ random: some RandomSource, nodes: Int, span: Int) {
        node = random.integer(in: 0...nodes - 1)
        moment = random.hits(in: 2) ? .time(random.integer(in: 1...span)) : .operation(random.integer(in: 2...60))
        kind = random.pick(DiskCrash.allCases)
        place = random.pick([.before, .within, .after])
        share = random.integer(in: 1...15)
        // Where there is one node only, its loss ends the run.
        downtime = random.hits(in: nodes > 1 ? 4 : 12) ? nil : random.pick([20, 300, 2000, 6000])
    }
}

extension MoneyPlan.Fault {
    fileprivate init(_ random: some RandomSource, nodes: Int, span: Int) {
        node = random.integer(in: 0...nodes - 1)
        kind = random.pick(Kind.allCases + [.away, .away, .late])
        from = random.integer(in: 0...span)
        // Long ones see the end of a node's right, the longest see it written off.
        until = from + (random.hits(in: 10) ? 27_000 : random.pick([300, 2000, 5000, 7000]))
    }
}

extension MoneyPlan.ServerCrash {
    fileprivate init(_ random: some RandomSource, span: Int) {
        at = random.integer(in: 1...span)
        kind = random.pick(DiskCrash.allCases)
        downtime = random.pick([5, 100, 1500, 5000])
    }
}
