package import Billing
package import Kernel

extension MemoryLedger {
    package func begin(_ node: NodeID, lasting length: Duration) async throws -> (EscrowHolder, EscrowTerm) {
        try call { state, now in
            let life = (state.nodes[node]?.life ?? 0) + 1
            state.nodes[node] = Node(life: life, expires: now + length)
            return (EscrowHolder(node: node, life: life), EscrowTerm(now: now, length: length))
        }
    }

    package func renew(_ holder: EscrowHolder, lasting length: Duration) async throws -> EscrowTerm? {
        try call { state, now in
            guard let node = state.nodes[holder.node], node.life == holder.life, node.isLive else { return nil }
            state.nodes[holder.node]?.expires = now + length
            return EscrowTerm(now: now, length: length)
        }
    }

    package func take(_ request: EscrowRequest, for holder: EscrowHolder) async throws -> EscrowAnswer {
        try call(\.take) { state, now in
            guard let node = state.nodes[holder.node], node.life == holder.life, node.isLive, node.expires > now else {
                return .fenced
            }
            if let answer = state.answers[request.id] { return answer }
            guard let row = state.accounts[request.account], row.ends.map({ now < $0 }) ?? true else { return .closed }
            let available = row.sums.available(limit: row.limit)
            guard available >= request.needed, available > 0 else {
                return .short(
                    available: available, limit: row.limit, spent: row.sums.debits - row.sums.credits,
                    pending: row.sums.pending)
            }
            let amount = min(max(request.needed, available / 8), max(request.wanted, request.needed), available)
            state.accounts[request.account]?.sums.pending += amount
            let slice = Slice(account: request.account, holder: holder, remaining: 0)
            state.slices[request.escrow, default: slice].remaining += amount
            let answer = EscrowAnswer.granted(
                amount, EscrowTerm(now: now, length: node.expires - now, left: available - amount))
            state.answers[request.id] = answer
            return answer
        }
    }

    package func giveBack(
        _ amount: Int64, of escrow: EscrowID, by holder: EscrowHolder, id: TransferID
    ) async throws -> Bool {
        try call(\.giveBack) { state, _ in
            if let answer = state.returns[id] { return answer }
            guard let slice = state.slices[escrow], slice.holder == holder, slice.remaining >= amount else {
                return false
            }
            void(amount, of: escrow, in: &state)
            state.returns[id] = true
            return true
        }
    }

    private func void(_ amount: Int64, of escrow: EscrowID, in state: inout State) {
        guard let slice = state.slices[escrow] else { return }
        state.slices[escrow]?.remaining -= amount
        state.accounts[slice.account]?.sums.pending -= amount
    }

    package func want(_ accounts: [AccountID], by holder: EscrowHolder) async throws {
        try call(\.want) { state, now in
            for account in accounts { state.wants[account, default: [:]][holder.node] = now }
        }
    }

    package func wants(since time: Instant, except holder: EscrowHolder) async throws -> [AccountID] {
        try call { state, _ in
            state.wants.filter { $0.value.contains { $0.key != holder.node && $0.value >= time } }.keys.sorted()
        }
    }

    package func release(livesBefore holder: EscrowHolder) async throws -> Int {
        try call { state, _ in
            let old = state.slices.filter {
                $0.value.holder.node == holder.node && $0.value.holder.life < holder.life && $0.value.remaining > 0
            }
            for (escrow, slice) in old { void(slice.remaining, of: escrow, in: &state) }
            return old.count
        }
    }

    package func end(_ holder: EscrowHolder) async throws {
        try call { state, _ in
            for (escrow, slice) in state.slices where slice.holder == holder {
                void(slice.remaining, of: escrow, in: &state)
            }
            if state.nodes[holder.node]?.life == holder.life { state.nodes[holder.node]?.isLive = false }
        }
    }

    package func writeOff(after grace: Duration, limit: Int) async throws -> [EscrowState] {
        try call { state, now in
            for (id, node) in state.nodes where node.expires + grace < now { state.nodes[id]?.isLive = false }
            let lost = held(in: state).filter { $0.expires + grace < now }.prefix(limit)
            for escrow in lost {
                // As a budget: what was held counts as spent.
                void(escrow.remaining, of: escrow.id, in: &state)
                state.accounts[escrow.account]?.sums.debits += escrow.remaining
            }
            return Array(lost)
        }
    }

    package func outstanding() async throws -> [EscrowState] { try call { state, _ in held(in: state) } }

    private func held(in state: State) -> [EscrowState] {
        state.slices.filter { $0.value.remaining > 0 }.map { id, slice in
            EscrowState(
                id: id, account: slice.account, holder: slice.holder, remaining: slice.remaining,
                expires: state.nodes[slice.holder.node]?.expires ?? Instant(microseconds: 0))
        }.sorted { $0.id < $1.id }
    }
}
