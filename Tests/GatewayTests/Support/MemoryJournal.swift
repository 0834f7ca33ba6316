import Inference
import Kernel
import Synchronization

/// A journal in memory that writes on the tape, with a disk that a test holds back.
final class MemoryJournal: UsageJournal {
    enum Mode: Sendable {
        case group
        /// Strict; the disk has everything when `sync` is called.
        case held
        /// Strict; the disk is there before `whenSynced` returns.
        case immediate
    }

    private struct State {
        var opens: [OpenRequest] = []
        var progress: [RequestProgress] = []
        var records: [UsageRecord] = []
        var noted: [(Tape.Entry, @Sendable (inout State) -> Void)] = []
        var commits = 0
        var waiting: [@Sendable () -> Void] = []
        var asked = 0
        var takesWork = true
    }

    let tape = Tape()
    private let mode: Mode
    private let state = Mutex(State())

    init(_ mode: Mode = .group) { self.mode = mode }

    func note(_ request: OpenRequest) {
        state.withLock { $0.noted.append((.open(attempt: request.attempt), { $0.opens.append(request) })) }
    }

    func note(_ progress: RequestProgress) {
        state.withLock { $0.noted.append((.progress, { $0.progress.append(progress) })) }
    }

    func note(_ record: UsageRecord) {
        tape.add(.endNoted)
        state.withLock { $0.noted.append((.close, { $0.records.append(record) })) }
    }

    /// Only what was handed over counts: a platform that is killed before has written nothing.
    func commit() {
        state.withLock { state in
            let noted = state.noted
            state.noted = []
            if !noted.isEmpty { state.commits += 1 }
            for (entry, keep) in noted {
                tape.add(entry)
                keep(&state)
            }
        }
    }

    var isStrict: Bool { mode != .group }

    func whenSynced(_ body: @escaping @Sendable () -> Void) {
        commit()
        state.withLock { state in
            state.asked += 1
            if mode == .held { state.waiting.append(body) }
        }
        if mode != .held { body() }
    }

    var refusal: Problem? { state.withLock { $0.takesWork } ? nil : Problem(.journalUnavailable, retryAfter: 5) }

    // MARK: For tests

    /// The disk has everything now: whoever waits hears of it, from the caller's thread.
    func sync() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        for body in waiting { body() }
    }

    func refuseWork() { state.withLock { $0.takesWork = false } }

    var opens: [OpenRequest] { state.withLock { $0.opens } }
    var progress: [RequestProgress] { state.withLock { $0.progress } }
    var records: [UsageRecord] { state.withLock { $0.records } }
    /// How often something was handed over.
    var commits: Int { state.withLock { $0.commits } }
    /// How many wait for the disk now.
    var waiting: Int { state.withLock { $0.waiting.count } }
    /// How often the disk was waited for.
    var asked: Int { state.withLock { $0.asked } }
}
