import Billing
import Flows
import Inference
import Kernel
import Logging
import NIOCore
import NIOHTTP1
import Tenancy

/// One request of the hot path and its answer, from the head to the usage record, on one event loop.
///
///     receiving ─> claiming ─> admitting ─> opening ─> calling ─> buffering ──> settling ─> ended
///         │           │            │           │          │  └──> streaming ────────^         ^
///         └───────────┴────────────┴───────────┴──────────┴───────────┴───────────────────────┘
///
/// `opening` and `settling` wait for a strict journal's disk, and are passed over with any other; `admitting` is, where
/// memory says that the request may run. `claiming` is for requests with an `Idempotency-Key`, which wait in `settling`
/// for their store too; see `Exchange+Idempotency.swift`.
final class Exchange {
    enum Phase {
        /// The body comes in, and the key is checked.
        case receiving
        /// The store is asked whether this request was carried out before.
        case claiming
        /// Budgets and limits are asked whether the request may run.
        case admitting
        /// The record of the call is on its way to the disk.
        case opening
        /// The upstream was asked and has not answered.
        case calling
        /// An answer that is passed on when it is whole: not a stream, or not a success.
        case buffering(status: Int, bytes: ByteBuffer)
        /// A stream that is passed on as it comes.
        case streaming
        /// The record of the end is on its way to the disk, or the answer to the store; then the client gets it, with
        /// the whole answer if there is one. Nothing changes the record any more.
        case settling(answer: ByteBuffer?)
        case ended
    }

    /// A connection holds its exchange until it has ended, and may be gone before a keyed one has.
    let edge: EdgeHandler
    let core: GatewayCore
    let loop: LoopContext
    let head: HTTPRequestHead
    let route: EdgeRoute
    /// Where the request comes from.
    let client: IPAddress?
    let request: RequestID
    let started: Instant
    let startedUptime: Duration

    var phase = Phase.receiving
    /// Whether the request was read to its end.
    var isReceived = false
    /// Whether the client's connection is still there.
    var isClientThere = true
    /// Whether the head of the answer was written.
    var isHeadWritten = false

    // What the request turned out to be.
    var body = ByteBuffer()
    var bodyReserved = 0
    /// Bytes of the body as the client sent it.
    var requestBytes = 0
    var principal: KeyHolder?
    /// Revocations came into force while the key was checked: what the check saw may be older.
    var mustVerifyAgain = false
    /// Runs while the key is checked against the store.
    var verificationLimit: Scheduled<Void>?
    var facts = RequestFacts()
    var deployment: Deployment?
    var hasPlace = false

    // What it may cost; see `Exchange+Admission.swift`.
    var tags: [String] = []
    var admissionWait: AdmissionWait?
    var ticket: (any AdmissionTicket)?
    var isTicketEnded = false
    var rates: [RateState] = []
    var billing = BillingFacts.none
    /// Nil for what has no price.
    var price: Money?

    // The call and what it brought.
    var call: (any UpstreamCall)?
    /// A call belongs to one attempt: what a cancelled one still delivers is not ours.
    var attempt = 0
    var mayRetry = false
    var sentAt = NIODeadline.distantPast
    /// Those that ended before the last one.
    var attempts: [Attempt] = []
    var upstreamStatus = 0
    var upstreamHeaders = HTTPHeaders()
    var filter = StreamFilter(wantsUsage: true, model: nil)
    var firstByteAt: Duration?
    var needsFlush = false
    var isPaused = false
    var pace = ProgressPace()
    /// Nil without an `Idempotency-Key`.
    var keyed: KeyedAnswer?

    // Time limits, by the loop's clock.
    let wholeDeadline: NIODeadline
    private var phaseLimit = Duration.zero
    var phaseDeadline: NIODeadline {
        didSet { edge.setDeadline(min(phaseDeadline, wholeDeadline)) }
    }

    init(edge: EdgeHandler, head: HTTPRequestHead, route: EdgeRoute) {
        self.edge = edge
        self.head = head
        self.route = route
        core = edge.core
        loop = edge.loop
        client = core.options.addresses.client(peer: edge.peer, headers: head.headers)
        request = core.flow.ids.next()
        started = core.flow.clock.now
        startedUptime = core.flow.clock.uptime
        let now = loop.eventLoop.now
        wholeDeadline = now + TimeAmount(core.limits.wholeTimeout)
        phaseDeadline = now + TimeAmount(core.limits.bodyTimeout)
    }

    var operation: Operation? {
        if case .inference(let operation) = route { operation } else { nil }
    }

    private(set) lazy var clientRequest: String? = {
        guard let text = head.headers.first(name: "x-request-id"), text.utf8.count <= 128,
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        return text
    }()

    /// Whether its record is written: what the upstream still says changes nothing.
    var isEnded: Bool {
        switch phase {
        case .settling, .ended: true
        case .receiving, .claiming, .admitting, .opening, .calling, .buffering, .streaming: false
        }
    }

    // MARK: What the connection reports

    func clientDidLeave() {
        isClientThere = false
        if let keyed, keyed.isAtWork, !isAdmitting { return goOnAlone() }
        if case .settling = phase { return conclude(nil, answer: nil) }
        guard !isEnded else { return }
        call?.cancel()
        finish(.clientClosed, problem: nil)
    }

    func clientWritabilityDidChange(to isWritable: Bool) {
        guard case .streaming = phase, isPaused == isWritable else { return }
        isPaused = !isWritable
        if isWritable {
            wait(atMost: core.limits.idleTimeout)
            call?.resume()
        } else {
            // The client is slow, not the upstream: only the limit for the whole request counts meanwhile.
            phaseDeadline = .distantFuture
            loop.metrics.upstreamDidPause()
            call?.pause()
        }
    }

    func deadlineReached(now: NIODeadline) {
        switch phase {
        case .receiving:
            // With the body complete, it is our own check of the key that takes too long.
            end(for: isReceived ? Problem(.overloaded, retryAfter: 1) : Problem(.requestTimeout))
        case .claiming:
            let waits = keyed?.waitsForTwin == true
            if !waits { log(.error, "the store of idempotency keys is silent", [:]) }
            end(for: waits ? .twinStillRuns : Problem(.storageUnavailable, retryAfter: 1))
        case .admitting:
            log(.error, "budgets and limits are silent", [:])
            end(for: Problem(.overloaded, retryAfter: 1))
        case .settling where keyed?.waitsForStoreOnly == true: concludeUnkept()
        case .opening, .settling:
            log(.error, "the journal's disk does not confirm what was written", [:])
            end(for: Problem(.journalUnavailable, retryAfter: 5))
        case .calling, .buffering, .streaming, .ended:
            end(
                for: Problem(
                    .upstreamTimeout,
                    now >= wholeDeadline
                        ? "The request took longer than \(core.limits.wholeTimeout)."
                        : "The model's runtime or provider was silent for longer than \(phaseLimit)."))
        }
    }

    /// Sets the limit of what is waited for now.
    func wait(atMost limit: Duration) { wait(atMost: limit, from: loop.eventLoop.now) }

    /// The same for a caller that has read the loop's clock already.
    func wait(atMost limit: Duration, from now: NIODeadline) {
        phaseLimit = limit
        phaseDeadline = now + TimeAmount(limit)
    }

    func requestIsBroken(_ problem: Problem) {
        isReceived = false
        end(for: problem)
    }

    // MARK: Ending

    /// Ends the exchange with an error, in whatever phase it is: as an answer while none has begun, else as the last
    /// event of the stream.
    func end(for problem: Problem) {
        if case .settling = phase { return conclude(problem, answer: nil) }
        guard !isEnded else { return }
        call?.cancel()
        finish(status(for: problem), problem: problem)
    }

    private func status(for problem: Problem) -> RequestStatus {
        switch problem.code {
        case .upstreamTimeout: .timedOut
        case .contextLengthExceeded, .upstreamRejected, .capabilityUnsupported: .rejected
        default: isHeadWritten ? .truncated : .failed
        }
    }
}
