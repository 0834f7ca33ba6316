package import Billing
package import Kernel
package import Logging
import Synchronization

/// This node's right to spend, and the slices that it holds: the book, shared by admission, which spends from memory,
/// and the keeper, which talks to the ledger beside it.
package final class NodeLife: Sendable {
    private struct State: Sendable {
        var book: EscrowBook
        var bells: [UInt64: AdmissionBell] = [:]
        var lastNumber: UInt64 = 0
    }

    /// The identity of the data folder, by which the ledger tells nodes apart.
    package let node: NodeID
    let store: any EscrowStore
    let clock: any Clock
    let logger: Logger
    private let state: Mutex<State>

    package init(
        node: NodeID, store: any EscrowStore, clock: any Clock, logger: Logger,
        settings: EscrowBook.Settings = EscrowBook.Settings()
    ) {
        self.node = node
        self.store = store
        self.clock = clock
        self.logger = logger
        state = Mutex(State(book: EscrowBook(settings: settings)))
    }

    /// As the book says it, at this moment.
    func read<T: Sendable>(_ body: (borrowing EscrowBook, Duration) -> T) -> T {
        let uptime = clock.uptime
        return state.withLock { body($0.book, uptime) }
    }

    func change<T: Sendable>(_ body: (inout EscrowBook, Duration) -> T) -> T {
        let uptime = clock.uptime
        return state.withLock { body(&$0.book, uptime) }
    }

    // MARK: Spending

    /// Not inlined: whoever it were put into would copy the clock to look at it.
    @inline(never)
    func hold(_ demand: SpendingDemand, as number: UInt64? = nil) -> SpendingVerdict {
        change { $0.hold(demand, as: number, at: $1) }
    }

    /// What was not captured can be spent again.
    func end(_ hold: SpendingHold, captured: PartAmounts) {
        if hold.life != nil { ring(state.withLock { $0.book.end(hold, captured: captured) }) }
    }

    /// Nothing more of it will be captured.
    func leave(_ hold: SpendingHold) {
        if let life = hold.life { change { $0.leave(life, at: $1) } }
    }

    /// Nothing of it was used.
    func giveBack(_ hold: SpendingHold) {
        end(hold, captured: PartAmounts(zeros: hold.parts.count))
        leave(hold)
    }

    /// What a key's rules allow from now on. Before anybody spends by them.
    func note(_ rules: KeyRules) {
        if rules.hard.isEmpty { return }
        change { book, uptime in
            for bound in rules.hard { book.note(bound.budget.amount, of: bound.active.account, at: uptime) }
        }
    }

    // MARK: Waiting

    /// Somebody who waits at the wall.
    struct Place: Sendable {
        let number: UInt64
        let bell: AdmissionBell
    }

    func newPlace() -> Place {
        state.withLock { state in
            state.lastNumber += 1
            return Place(number: state.lastNumber, bell: AdmissionBell())
        }
    }

    /// - Returns: false when too many wait already.
    func enter(_ place: Place, _ accounts: [AccountID]) -> Bool {
        state.withLock { state in
            guard state.book.enter(place.number, accounts) else { return false }
            state.bells[place.number] = place.bell
            return true
        }
    }

    func leave(_ place: Place, _ accounts: [AccountID]) {
        let next = state.withLock { state in
            state.bells[place.number] = nil
            return state.book.leave(place.number, accounts)
        }
        ring(next)
    }

    /// Nil while this node may not spend at all.
    package var holder: EscrowHolder? { read { book, _ in book.holder } }

    /// What this node holds of each account.
    package var holdings: [AccountID: EscrowHolding] { read { book, _ in book.holdings } }

    var hasBegun: Bool { read { book, _ in book.hasBegun } }

    /// How many wait.
    package var waiting: Int { state.withLock { $0.bells.count } }

    func ring(_ numbers: [UInt64]) {
        guard !numbers.isEmpty else { return }
        let bells = state.withLock { state in numbers.compactMap { state.bells[$0] } }
        for bell in bells { bell.ring() }
    }

    // MARK: Asking the ledger

    /// Takes what a slice lacks. Returns at once when somebody else is asking already, or the ledger has just said no.
    /// - Returns: whether the ledger was asked.
    func take(_ lack: SpendingLack) async throws -> Bool {
        guard let request = change({ $0.ask(lack, at: $1) }) else { return false }
        try await take(request)
        return true
    }

    func take(_ request: EscrowRequest) async throws {
        let asked = clock.uptime
        // The life in which it was decided may be over.
        guard let holder, holder.escrow(on: request.account) == request.escrow else { return }
        do {
            let answer = try await store.take(request, for: holder)
            ring(change { $0.answered(request, answer, for: holder, asked: asked, at: $1) })
            if answer == .fenced {
                logger.error("this node's right to spend has ended", metadata: ["life": "\(holder.life)"])
            }
        } catch {
            // It may have been granted: the same is asked again.
            ring(change { $0.answered(request, nil, for: holder, asked: asked, at: $1) })
            throw error
        }
    }

    /// Takes for slices that will soon be too small.
    /// - Parameter atOnce: as many calls.
    func topUp(atMost limit: Int, atOnce: Int) async throws {
        let accounts = read { $0.topUps(at: $1, limit: limit) }
        try await accounts.forEach(atOnce: atOnce) { account in
            guard let request = self.change({ $0.topUp(account, at: $1) }) else { return }
            try await self.take(request)
        }
    }

    /// Asks the nodes that hold something of these accounts for what they do not use.
    func want(_ accounts: [AccountID]) async throws {
        let (holder, held) = read { book, _ in (book.holder, accounts.filter { book.othersHold($0) }) }
        guard let holder, !held.isEmpty else { return }
        try await store.want(held, by: holder)
    }
}
