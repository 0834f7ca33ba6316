import Kernel

/// What is set aside for requests from memory, and comes back when they end.
extension EscrowBook {
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

    private mutating func wallObstacle(
        _ demand: SpendingDemand, as number: UInt64?, at uptime: Duration, now: Instant
    ) -> SpendingVerdict? {
        var obstacle: SpendingVerdict?
        for place in demand.walls.indices where !isOpen(demand.walls[place], now: now) {
            let wall = demand.walls[place]
            let slice = slices[wall.account]
            if slice?.isOver(at: now) == true { return .over(wall.account) }
            let free = slice?.free ?? 0
            if free < wall.amount, let refusal = slice?.refusal, uptime - refusal.at < settings.spentPoll {
                if refusal.isClosed { return .over(wall.account) }
                // Nothing that can still come back would be enough.
                if refusal.short.unspent < wall.amount { return .spent(wall.account, refusal.short) }
            }
            guard obstacle == nil else { continue }
            if isBehind(wall.account, number) {
                obstacle = .behind(wall.account)
            } else if free < wall.amount {
                obstacle = .lacking(
                    SpendingLack(
                        account: wall.account, ends: wall.ends, limit: wall.limit, amount: wall.amount,
                        missing: wall.amount - free, isCredit: false))
            }
        }
        return obstacle
    }

    /// Whether nothing needs a closer look, as mostly: nobody waits, and the slice has enough.
    private mutating func isOpen(_ wall: SpendingDemand.Wall, now: Instant) -> Bool {
        guard lines.isEmpty, let place = slices.place(of: wall.account) else { return false }
        return slices[place].free >= wall.amount && !slices[place].isOver(at: now)
    }

    private func purseObstacle(
        _ demand: SpendingDemand, as number: UInt64?, at uptime: Duration, now: Instant
    ) -> SpendingVerdict? {
        var rest = demand.price
        var unspent: Int64 = 0
        for fund in demand.funds where rest > 0 {
            if let ends = fund.ends, now >= ends { continue }
            if isBehind(fund.account, number) { return .behind(fund.account) }
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
        let payers = demand.asset == nil ? 0 : demand.funds.count + (demand.receivable == nil ? 0 : 1)
        var parts = HoldParts(atMost: demand.walls.count + demand.counted.count + payers)
        var sight = RemainingSight()
        for place in demand.walls.indices {
            let wall = demand.walls[place]
            let taken = change(wall.account) { $0.take(wall.amount, at: uptime) }
            parts.append(wall.part(in: taken?.escrow))
            if let left = taken?.left { sight.see(left, wall.asset, of: wall.account) }
        }
        for part in demand.counted { parts.append(part) }
        if let asset = demand.asset { pay(demand, asset, at: uptime, now: now, into: &parts, &sight) }
        let isGuarded = parts.isGuarded
        if isGuarded { running += 1 }
        return SpendingHold(
            parts: parts.made(), life: isGuarded ? right?.holder.life : nil, taken: uptime, sight: sight)
    }

    private mutating func pay(
        _ demand: SpendingDemand, _ asset: Asset, at uptime: Duration, now: Instant, into parts: inout HoldParts,
        _ sight: inout RemainingSight
    ) {
        var rest = demand.price
        var credit: Int64?
        for fund in demand.funds {
            if let ends = fund.ends, now >= ends { continue }
            guard let slice = slices[fund.account] else {
                // Not needed until now, so that nobody has asked for it here.
                if let left = fund.left { credit = saturating(credit ?? 0, left) }
                continue
            }
            let amount = min(rest, slice.free)
            if amount > 0, let (escrow, _) = change(fund.account, { $0.take(amount, at: uptime) }) {
                rest -= amount
                parts.append(
                    Hold.Part(role: .purse, account: fund.account, escrow: escrow, amount: amount, asset: asset))
            }
            if let left = slice.left { credit = saturating(credit ?? 0, saturating(left, slice.free - amount)) }
        }
        // Where more than the credit may be spent, it is no bound.
        if let credit, demand.receivable == nil { sight.see(credit, asset, of: nil) }
        if let receivable = demand.receivable {
            parts.append(Hold.Part(role: .purse, account: receivable, escrow: nil, amount: rest, asset: asset))
        }
    }

    /// Takes what was captured out of the books, and the rest of what was held back into the slice.
    /// - Parameter captured: an amount for each part.
    /// - Returns: who should look again whether its demand can be met.
    package mutating func end(_ hold: SpendingHold, captured: PartAmounts) -> [UInt64] {
        guard let life = hold.life, right?.holder.life == life else { return [] }
        for place in hold.parts.indices where hold.parts[place].escrow != nil {
            let (amount, captured) = (hold.parts[place].amount, captured[place])
            change(hold.parts[place].account) { $0.end(amount, captured: captured, taken: hold.taken) }
        }
        guard !lines.isEmpty else { return [] }
        return hold.parts.compactMap { $0.escrow == nil ? nil : lines[$0.account]?.first }
    }

    /// Changes a slice where it lies.
    @discardableResult
    private mutating func change<Answer>(
        _ account: AccountID, _ body: (inout EscrowSlice) -> Answer
    ) -> Answer? {
        slices.place(of: account).map { body(&slices[$0]) }
    }

    /// A request's record is in the journal, or it has none: nothing more of its slices will be captured.
    /// - Parameter life: in which it was set aside.
    package mutating func leave(_ life: Int64, at uptime: Duration) {
        if right?.holder.life == life {
            running -= 1
        } else {
            runningOlder -= 1
            if runningOlder == 0 { olderEnded = uptime }
        }
    }
}

extension EscrowSlice {
    /// - Returns: the escrow, and what is left of the account for everybody and here.
    fileprivate mutating func take(_ amount: Int64, at uptime: Duration) -> (escrow: EscrowID, left: Int64?) {
        free -= amount
        held += amount
        used.note(amount, at: uptime)
        return (escrow, left.map { saturating($0, free) })
    }

    fileprivate mutating func end(_ amount: Int64, captured: Int64, taken: Duration) {
        held -= amount
        let rest = amount - min(max(0, captured), amount)
        if let lowered, taken <= lowered { recalled += rest } else { free += rest }
    }
}
