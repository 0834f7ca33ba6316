import Flows
import Kernel
import NIOCore
import Synchronization
import Tenancy

/// What an exchange with an `Idempotency-Key` has beside the others: the lease's work, which it is, and its answer.
/// Lives on the exchange's loop.
final class KeyedAnswer {
    /// What a request came to, on its way from the loop to the store.
    enum Ending: Sendable {
        case kept(status: Int, contentType: String, ByteBuffer)
        case dropped
    }

    /// What the client's last bytes wait for.
    struct Awaited: OptionSet {
        let rawValue: UInt8
        static let disk = Awaited(rawValue: 1)
        static let store = Awaited(rawValue: 2)
    }

    let gate: IdempotencyGate
    /// Whether the exchange still wants the lease. Read by the flow.
    let interest = Interest()
    /// Whether the store was heard of, and a twin is at work.
    var waitsForTwin = false
    /// Of an exchange that is settling.
    var awaited: Awaited = []
    var problem: Problem?
    /// Whether the answer goes out without a promise to be repeated.
    private(set) var isUnkept = false
    private var continuation: CheckedContinuation<Ending, Never>?
    private var bytes = ByteBuffer()
    private var reserved = 0

    init(gate: IdempotencyGate) { self.gate = gate }

    /// Whether the exchange has the lease and has not ended.
    var isAtWork: Bool { continuation != nil || awaited.contains(.store) }

    var waitsForStoreOnly: Bool { awaited == .store }

    func begin(_ continuation: CheckedContinuation<Ending, Never>) { self.continuation = continuation }

    /// Takes bytes of a stream as they go out.
    func add(_ output: ByteBuffer) {
        guard hold(output.readableBytes) else { return }
        bytes.writeImmutableBuffer(output)
    }

    /// All bytes of the stream, with its last ones; nil when they are too many.
    func stream(endingWith last: ByteBuffer) -> ByteBuffer? {
        add(last)
        return isUnkept ? nil : bytes
    }

    /// A whole answer, unless it is too long.
    func whole(_ answer: ByteBuffer) -> ByteBuffer? { hold(answer.readableBytes) ? answer : nil }

    func end(_ ending: Ending) {
        continuation?.resume(returning: ending)
        continuation = nil
    }

    func giveUpKeeping() {
        guard !isUnkept else { return }
        isUnkept = true
        gate.didNotKeep()
        letGo()
    }

    /// Nothing is held any more.
    func letGo() {
        bytes = ByteBuffer()
        gate.release(reserved)
        reserved = 0
    }

    private func hold(_ count: Int) -> Bool {
        guard !isUnkept else { return false }
        guard reserved + count <= gate.longestAnswer, gate.reserve(count) else {
            giveUpKeeping()
            return false
        }
        reserved += count
        return true
    }
}

/// Whether somebody still wants what is waited for.
final class Interest: Sendable {
    private let isOver = Atomic<Bool>(false)

    var isThere: Bool { !isOver.load(ordering: .relaxed) }
    func end() { isOver.store(true, ordering: .relaxed) }
}
