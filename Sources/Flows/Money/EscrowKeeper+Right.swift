package import Billing
import Kernel
import Logging
import Metrics

/// The node's right to spend: begun, renewed, and what its earlier lives hold given back.
extension EscrowKeeper {
    func keepRight() async {
        // At once: the start may have taken long since the right began.
        var renewed = clock.uptime - settings.term / 3
        var released: Int64?
        var outage = Outage("this node's right to spend cannot be renewed now", life.logger)
        repeat {
            do {
                if let holder = life.holder {
                    if clock.uptime - renewed >= settings.term / 3 {
                        renewed = clock.uptime
                        try await renew(holder)
                    }
                    if released != holder.life, try await release(holder) { released = holder.life }
                } else {
                    renewed = clock.uptime
                    try await begin()
                }
                outage.isOver()
            } catch {
                outage.began(error)
                // Not before the others are due, and not at once.
                renewed = clock.uptime - settings.term / 3 + settings.retry
                if life.holder == nil { try? await clock.sleep(for: settings.retry) }
            }
        } while await pause(settings.tick)
    }

    /// Begins a life of this node. What an earlier one holds is not touched.
    package func begin() async throws {
        let asked = clock.uptime
        let (holder, term) = try await store.begin(life.node, lasting: settings.term)
        books.tell(term.now, at: asked)
        life.ring(
            life.change { book, uptime in
                book.begin(holder, term, asked: asked, heard: uptime)
                return book.firstInEveryLine
            })
        life.logger.info("this node may spend", metadata: ["node": "\(holder.node)", "life": "\(holder.life)"])
    }

    package func renew(_ holder: EscrowHolder) async throws {
        let asked = clock.uptime
        if let term = try await store.renew(holder, lasting: settings.term) {
            books.tell(term.now, at: asked)
            life.ring(
                life.change { book, uptime in
                    book.renewed(holder, term, asked: asked, heard: uptime)
                    return book.firstInEveryLine
                })
            return
        }
        metrics.fenced.increment()
        life.logger.error(
            "this node's right to spend has ended: it was away for too long, or its data folder runs twice",
            metadata: ["node": "\(holder.node)", "life": "\(holder.life)"])
        life.change { book, _ in if book.holder == holder { book.drop() } }
    }

    /// Gives back what earlier lives hold, when nothing of them can be captured any more.
    private func release(_ holder: EscrowHolder) async throws -> Bool {
        let since: Duration? = life.read { book, _ in
            book.runningOlder == 0 ? max(book.begun, book.olderEnded) : nil
        }
        guard let since, await isSettled(since) else { return false }
        let released = try await store.release(livesBefore: holder)
        if released > 0 {
            life.logger.notice(
                "what an earlier run of this node had set aside was given back", metadata: ["slices": "\(released)"])
        }
        return true
    }
}
