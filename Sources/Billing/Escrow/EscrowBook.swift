package import Kernel

/// What a node may spend, and who waits for more: the whole of its escrow, without a clock, a lock or a ledger of its
/// own. Times are a monotonic clock's, and come in.
///
/// `free + held + returning`, and what was captured and is not settled yet, is what the ledger has as the rest of the
/// node's escrow. Captured units leave these books: the node need not learn when they are settled.
package struct EscrowBook: Sendable {
    package struct Settings: Sendable {
        /// So much before its right ends a node stops spending.
        package var margin = Duration.seconds(5)
        /// A slice from which nothing was set aside for so long goes back.
        package var idle = Duration.seconds(10)
        /// A slice should do for so many requests like the one that it is taken for.
        package var several: Int64 = 8
        /// When the ledger is asked again by one who waits.
        package var poll = Duration.milliseconds(50)
        /// When it is asked again for credit that is set aside elsewhere, while another fund pays.
        package var creditPoll = Duration.seconds(1)
        /// For how long spent is believed to be spent.
        package var spentPoll = Duration.seconds(1)
        /// After another node wanted an account, no more is taken of it than is needed.
        package var thrift = Duration.seconds(2)
        /// Who may wait for one account.
        package var longestLine = 1000
        package init() {}
    }

    struct Right: Sendable, Equatable {
        let holder: EscrowHolder
        /// A margin before the ledger lets it end.
        var stops: Duration
        /// The ledger's time, and when it was asked for: what has passed since is never too little.
        var said: Instant
        var asked: Duration

        func time(at uptime: Duration) -> Instant { said + (uptime - asked) }
    }

    package let settings: Settings
    var right: Right?
    /// Whether there ever was a right, and when this one began.
    package private(set) var hasBegun = false
    package private(set) var begun: Duration = .zero
    var slices: [AccountID: EscrowSlice] = [:]
    /// Numbers of those who wait, the first one first. Never an empty line.
    var lines: [AccountID: [UInt64]] = [:]
    var returns: [TransferID: EscrowReturn] = [:]
    var thrifty: [AccountID: Duration] = [:]
    var calls: Int64 = 0
    /// Requests that run on this life's slices, and on those of earlier ones.
    package internal(set) var running = 0
    package internal(set) var runningOlder = 0
    /// When the last request of an earlier life ended.
    package internal(set) var olderEnded: Duration = .zero

    package init(settings: Settings = Settings()) { self.settings = settings }

    // MARK: The right to spend

    package var holder: EscrowHolder? { right?.holder }

    package func maySpend(at uptime: Duration) -> Bool { right.map { uptime < $0.stops } ?? false }

    /// The ledger's time, at the latest; nil without a right.
    package func ledgerTime(at uptime: Duration) -> Instant? { right?.time(at: uptime) }

    /// - Parameter asked: from before the ledger was asked.
    package mutating func begin(_ holder: EscrowHolder, _ term: EscrowTerm, asked: Duration) {
        drop()
        hasBegun = true
        begun = asked
        right = Right(
            holder: holder, stops: asked + term.length - settings.margin, said: term.now, asked: asked)
    }

    package mutating func renewed(_ holder: EscrowHolder, _ term: EscrowTerm, asked: Duration) {
        guard right?.holder == holder else { return }
        prolong(term, asked: asked)
    }

    mutating func prolong(_ term: EscrowTerm, asked: Duration) {
        guard var right else { return }
        right.stops = max(right.stops, asked + term.length - settings.margin)
        if asked >= right.asked {
            right.said = term.now
            right.asked = asked
        }
        self.right = right
    }

    /// The right has ended for good. What was held is the ledger's to sort out; who waits goes on waiting.
    package mutating func drop() {
        right = nil
        slices.removeAll()
        returns.removeAll()
        thrifty.removeAll()
        runningOlder += running
        running = 0
    }

    // MARK: Setting aside

    /// Sets aside everything that the demand needs, or nothing.
    /// - Parameter number: of one who waits; nil for one who has just come.
    package mutating func hold(_ demand: SpendingDemand, as number: UInt64?, at uptime: Duration) -> SpendingVerdict {
        guard let right, uptime < right.stops else { return .stopped }
        let now = right.time(at: uptime)
        if let obstacle = wallObstacle(demand, as: number, at: uptime, now: now) { return obstacle }
        if demand.price > 0, let obstacle = purseObstacle(demand, as: number, at: uptime, now: now) {
            return obstacle
        }
        return .held(take(demand, at: uptime, now: now))
    }

    private func wallObstacle(
        _ demand: SpendingDemand, as number: UInt64?, at uptime: Duration, now: Instant
    ) -> SpendingVerdict? {
        var obstacle: SpendingVerdict?
        for place in 0..<demand.walls {
            let part = demand.budgets[place]
            let slice = slices[part.account]
            if slice?.isOver(at: now) == true { return .over(part.account) }
            let free = slice?.free ?? 0
            if free < part.amount, let refusal = slice?.refusal, uptime - refusal.at < settings.spentPoll {
                if refusal.isClosed { return .over(part.account) }
                // Nothing that can still come back would be enough.
                if refusal.short.unspent < part.amount { return .spent(part.account, refusal.short) }
            }
            guard obstacle == nil else { continue }
            if isBehind(part.account, number) {
                obstacle = .behind
            } else if free < part.amount {
                obstacle = .lacking(
                    SpendingLack(
                        account: part.account, ends: demand.ends[place], amount: part.amount,
                        missing: part.amount - free, isCredit: false))
            }
        }
        return obstacle
    }

    private func purseObstacle(
        _ demand: SpendingDemand, as number: UInt64?, at uptime: Duration, now: Instant
    ) -> SpendingVerdict? {
        var rest = demand.price
        var unspent: Int64 = 0
        for fund in demand.funds where rest > 0 {
            if let ends = fund.ends, now >= ends { continue }
            if isBehind(fund.account, number) { return .behind }
            let slice = slices[fund.account]
            rest -= min(rest, slice?.free ?? 0)
            guard rest > 0 else { break }
            guard let refusal = slice?.refusal,
                isDrained(refusal, waiting: number != nil && demand.mustBeCovered, uptime)
            else {
                return .lacking(
                    SpendingLack(
                        account: fund.account, ends: fund.ends, amount: rest, missing: rest, isCredit: true))
            }
            unspent = saturating(unspent, refusal.short.unspent)
        }
        guard rest > 0, demand.mustBeCovered else { return nil }
        return .uncovered(missing: rest, unspent: unspent)
    }

    /// The ledger has no more of it, and need not be asked again yet.
    private func isDrained(_ refusal: EscrowRefusal, waiting: Bool, _ uptime: Duration) -> Bool {
        guard refusal.isClosed || refusal.short.available == 0 else { return false }
        let pause: Duration =
            if refusal.isClosed || refusal.short.unspent == 0 {
                settings.spentPoll
            } else {
                waiting ? settings.poll : settings.creditPoll
            }
        return uptime - refusal.at < pause
    }

    private mutating func take(_ demand: SpendingDemand, at uptime: Duration, now: Instant) -> SpendingHold {
        var parts = demand.budgets
        parts.reserveCapacity(parts.count + demand.funds.count + 1)
        var sight = RemainingSight()
        for place in 0..<demand.walls {
            let part = parts[place]
            guard let escrow = slices[part.account]?.take(part.amount, at: uptime, &sight, part.asset) else { continue }
            parts[place] = Hold.Part(
                role: .budget, account: part.account, escrow: escrow, amount: part.amount, asset: part.asset)
        }
        if let asset = demand.asset { pay(demand, asset, at: uptime, now: now, into: &parts, &sight) }
        let isGuarded = parts.contains { $0.escrow != nil }
        if isGuarded { running += 1 }
        return SpendingHold(parts: parts, life: isGuarded ? right?.holder.life : nil, remaining: sight.smallest)
    }

    private mutating func pay(
        _ demand: SpendingDemand, _ asset: Asset, at uptime: Duration, now: Instant, into parts: inout [Hold.Part],
        _ sight: inout RemainingSight
    ) {
        var rest = demand.price
        var credit: Int64?
        for fund in demand.funds {
            if let ends = fund.ends, now >= ends { continue }
            guard let slice = slices[fund.account] else { continue }
            let amount = min(rest, slice.free)
            var own = RemainingSight()
            if amount > 0, let escrow = slices[fund.account]?.take(amount, at: uptime, &own, asset) {
                rest -= amount
                parts.append(
                    Hold.Part(role: .purse, account: fund.account, escrow: escrow, amount: amount, asset: asset))
            }
            if let left = slice.left { credit = saturating(credit ?? 0, saturating(left, slice.free - amount)) }
        }
        if let credit { sight.see(credit, asset) }
        if let receivable = demand.receivable {
            parts.append(Hold.Part(role: .purse, account: receivable, escrow: nil, amount: rest, asset: asset))
        }
    }

    /// Takes what was captured out of the books, and the rest of what was held back into the slice.
    /// - Parameters:
    ///   - captured: an amount for each part.
    ///   - life: in which it was set aside.
    /// - Returns: who should look again whether its demand can be met.
    package mutating func end(
        _ parts: [Hold.Part], captured: [Int64], life: Int64, at uptime: Duration
    ) -> [UInt64] {
        guard right?.holder.life == life else {
            runningOlder -= 1
            if runningOlder == 0 { olderEnded = uptime }
            return []
        }
        running -= 1
        for (part, captured) in zip(parts, captured) where part.escrow != nil {
            slices[part.account]?.end(part.amount, captured: captured)
        }
        guard !lines.isEmpty else { return [] }
        return parts.compactMap { $0.escrow == nil ? nil : lines[$0.account]?.first }
    }
}

/// What was set aside for one request.
package struct SpendingHold: Sendable, Hashable {
    package let parts: [Hold.Part]
    /// In which the slices were taken; nil where none was needed.
    package let life: Int64?
    /// What the narrowest of the walls and the credit leaves beside what runs, as far as the node knows.
    package let remaining: Amount?

    init(parts: [Hold.Part], life: Int64?, remaining: Amount?) {
        self.parts = parts
        self.life = life
        self.remaining = remaining
    }

    /// Of a demand that no account guards: what counts, and who owes.
    package init(unguarded demand: SpendingDemand) {
        var parts = demand.budgets
        if let asset = demand.asset, let receivable = demand.receivable {
            parts.append(
                Hold.Part(role: .purse, account: receivable, escrow: nil, amount: demand.price, asset: asset))
        }
        self.init(parts: parts, life: nil, remaining: nil)
    }
}

/// Looks for the amount that is the least: of money, where there is any.
struct RemainingSight {
    private(set) var smallest: Amount?

    mutating func see(_ units: Int64, _ asset: Asset) {
        guard let known = smallest else {
            smallest = Amount(units: units, asset)
            return
        }
        let isNearer = known.asset == asset ? units < known.units : known.asset.currency == nil && asset.currency != nil
        if isNearer { smallest = Amount(units: units, asset) }
    }
}

extension EscrowSlice {
    fileprivate mutating func take(
        _ amount: Int64, at uptime: Duration, _ sight: inout RemainingSight, _ asset: Asset
    ) -> EscrowID {
        free -= amount
        held += amount
        used.note(amount, at: uptime)
        if let left { sight.see(saturating(left, free), asset) }
        return escrow
    }

    fileprivate mutating func end(_ amount: Int64, captured: Int64) {
        held -= amount
        free += amount - min(max(0, captured), amount)
    }
}
