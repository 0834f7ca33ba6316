package import Kernel

/// What a node asks the ledger for, and what it is told.
extension EscrowBook {
    /// - Returns: what to ask; nil while somebody else is asking, or where the ledger has just said that it has none.
    package mutating func ask(_ lack: SpendingLack, at uptime: Duration) -> EscrowRequest? {
        guard maySpend(at: uptime) else { return nil }
        var slice = slice(of: lack, at: uptime)
        defer { slices[lack.account] = slice }
        guard !slice.isAsking else { return nil }
        var needed = lack.missing
        if let refusal = slice.refusal, uptime - refusal.at < settings.poll {
            // The ledger has some of the credit, though not all that this one needs.
            guard lack.isCredit, refusal.short.available > 0 else { return nil }
            needed = min(needed, refusal.short.available)
        }
        let isThrifty = thrifty[lack.account].map { uptime - $0 < settings.thrift } ?? false
        let (several, overflow) = needed.multipliedReportingOverflow(by: settings.several)
        let usual = max(overflow ? .max : several, slice.used.amount(at: uptime))
        return request(&slice, lack.account, needed: needed, wanted: isThrifty ? needed : usual)
    }

    /// Accounts whose slices will soon be too small for what is used of them, and those of which nobody knows what they
    /// hold: it would stay set aside.
    package func topUps(at uptime: Duration, limit: Int) -> [AccountID] {
        guard let right, uptime < right.stops else { return [] }
        let now = right.time(at: uptime)
        // Put in order are only those, which are few of many.
        let due = slices.entries.compactMap { entry in
            isDue(entry.value, of: entry.id, at: uptime, now: now) ? entry.id : nil
        }
        return Array(due.sorted().prefix(limit))
    }

    /// - Returns: nil where it is no longer due.
    package mutating func topUp(_ account: AccountID, at uptime: Duration) -> EscrowRequest? {
        guard let right, uptime < right.stops, var slice = slices[account],
            isDue(slice, of: account, at: uptime, now: right.time(at: uptime))
        else { return nil }
        defer { slices[account] = slice }
        return request(&slice, account, needed: 1, wanted: slice.used.amount(at: uptime))
    }

    private func isDue(_ slice: EscrowSlice, of account: AccountID, at uptime: Duration, now: Instant) -> Bool {
        guard !slice.isAsking else { return false }
        return slice.question != nil && isAnsweredLongAgo(slice, at: uptime)
            || isRunningOut(slice, of: account, at: uptime, now: now)
    }

    private func isRunningOut(
        _ slice: EscrowSlice, of account: AccountID, at uptime: Duration, now: Instant
    ) -> Bool {
        slice.free < slice.used.amount(at: uptime) / 2 && !slice.isOver(at: now) && thrifty[account] == nil
            && isAnsweredLongAgo(slice, at: uptime)
    }

    private func isAnsweredLongAgo(_ slice: EscrowSlice, at uptime: Duration) -> Bool {
        slice.refusal.map { uptime - $0.at >= settings.creditPoll } ?? true
    }

    private mutating func request(
        _ slice: inout EscrowSlice, _ account: AccountID, needed: Int64, wanted: Int64
    ) -> EscrowRequest {
        slice.isAsking = true
        let question = slice.question ?? nextID("take", of: slice.escrow)
        slice.question = question
        return EscrowRequest(account: account, escrow: slice.escrow, needed: needed, wanted: wanted, id: question)
    }

    private func slice(of lack: SpendingLack, at uptime: Duration) -> EscrowSlice {
        if let known = slices[lack.account] { return known }
        let escrow = right?.holder.escrow(on: lack.account) ?? EscrowID(ULID(high: 0, low: 0))
        return EscrowSlice(escrow: escrow, ends: lack.ends, limit: lack.limit, at: uptime)
    }

    mutating func nextID(_ verb: String, of escrow: EscrowID) -> TransferID {
        calls += 1
        return TransferID("\(escrow)/\(verb)/\(calls)")
    }

    /// - Parameters:
    ///   - answer: nil when nobody knows what became of it.
    ///   - asked: from before the ledger was asked.
    /// - Returns: who should look again.
    package mutating func answered(
        _ request: EscrowRequest, _ answer: EscrowAnswer?, for holder: EscrowHolder, asked: Duration,
        at uptime: Duration
    ) -> [UInt64] {
        guard right?.holder == holder, var slice = slices[request.account], slice.question == request.id else {
            return []
        }
        slice.isAsking = false
        guard let answer else {
            slice.isInDoubt = true
            slices[request.account] = slice
            return firstInLine(for: request.account)
        }
        defer { slices[request.account]?.isAskedTooEarly = false }
        switch answer {
        case .granted(let amount, let term):
            slice.forgetQuestion()
            slice.free = saturating(slice.free, max(0, amount))
            if slice.isAskedTooEarly { slice.recall() }
            slice.refusal = nil
            slice.left = term.left
            prolong(term, asked: asked, heard: uptime)
        case .short(let available, let limit, let spent, let pending):
            if !slice.isInDoubt { slice.forgetQuestion() }
            slice.left = available
            slice.refusal = EscrowRefusal(
                at: uptime,
                short: EscrowShortage(available: available, limit: limit, spent: spent, pending: pending),
                isClosed: false)
        case .closed:
            slice.forgetQuestion()
            slice.refusal = EscrowRefusal(at: uptime, short: .nothing, isClosed: true)
        case .fenced:
            let everybody = Set(lines.values.compactMap(\.first)).sorted()
            drop()
            return everybody
        }
        slices[request.account] = slice
        return firstInLine(for: request.account)
    }

    /// What the ledger said last of an account, when it had too little; while that is news.
    package func shortage(of account: AccountID, at uptime: Duration) -> EscrowShortage? {
        guard let refusal = slices[account]?.refusal, !refusal.isClosed, uptime - refusal.at < settings.spentPoll else {
            return nil
        }
        return refusal.short
    }

    /// Whether more is set aside for others, or settled late, than this node holds itself.
    package func othersHold(_ account: AccountID) -> Bool {
        guard let slice = slices[account], let refusal = slice.refusal else { return false }
        return refusal.short.pending
            > saturating(saturating(slice.free, slice.held), saturating(slice.returning, slice.recalled))
    }

    /// The ledger cannot be asked: for a moment the credit counts as set aside elsewhere.
    package mutating func passOver(_ lack: SpendingLack, at uptime: Duration) {
        slices[lack.account]?.refusal = EscrowRefusal(
            at: uptime, short: EscrowShortage(available: 0, limit: .max, spent: 0, pending: 0), isClosed: false)
    }

    /// What the rules say that an account holds at most. Where that is less than before, nothing that was taken before
    /// is spent any more: the ledger decides by the new limit.
    package mutating func note(_ limit: Int64, of account: AccountID, at uptime: Duration) {
        guard var slice = slices[account], slice.limit != limit else { return }
        if let known = slice.limit, limit < known {
            slice.lowered = uptime
            slice.isAskedTooEarly = slice.isAsking || slice.question != nil
            slice.refusal = nil
            slice.recall()
        }
        slice.limit = limit
        slices[account] = slice
    }

    /// Limits may have been raised.
    package mutating func forgetRefusals() {
        for place in slices.entries.indices { slices[place].refusal = nil }
    }
}
