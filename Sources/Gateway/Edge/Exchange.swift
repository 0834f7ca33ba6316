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
///                                                 ┌────── pausing <─────┐
///                                                 v                     │
///     receiving ─> claiming ─> queued ─> admitting ─> opening ─> calling ─> buffering ──> settling ─> ended
///         │           │          │           │           │          │  └──> streaming ────────^         ^
///         └───────────┴──────────┴───────────┴───────────┴──────────┴───────────┴───────────────────────┘
///
/// `queued` waits for a place at a deployment, and `pausing` for a moment before another call; see
/// `Exchange+Route.swift`. `opening` and `settling` wait for a strict journal's disk, and are passed over with any
/// other; `admitting` is, where memory says that the request may run. `claiming` is for requests with an
/// `Idempotency-Key`, which wait in `settling` for their store too; see `Exchange+Idempotency.swift`.
final class Exchange {
    enum Phase {
        /// The body comes in, and the key is checked.
        case receiving
        /// The store is asked whether this request was carried out before.
        case claiming
        /// Who will serve the prompt is asked how many tokens it has.
        case counting
        /// All deployments are full, and the request waits for a place.
        case queued
        /// Budgets and limits are asked whether the request may run.
        case admitting
        /// A call failed, and the next one is made in a moment.
        case pausing
        /// The record of the call is on its way to the disk.
        case opening
        /// The upstream was asked and has not answered.
        case calling
        /// An answer that is passed on when it is whole: not a stream, or not a success.
        case buffering
        /// A stream that is passed on as it comes.
        case streaming
        /// The record of the end is on its way to the disk, or the answer to the store; then the client gets it, with
        /// what is `unsent`. Nothing changes the record any more.
        case settling
        case ended
    }

    /// A connection holds its exchange until it has ended, and may be gone before a keyed one has.
    let edge: EdgeHandler
    let core: GatewayCore
    let loop: LoopContext
    let head: RequestHead
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
    /// As the client sent it.
    var body = ByteBuffer()
    var bodyReserved = 0
    /// As the deployment gets it that is asked now.
    var outgoing = ByteBuffer()
    /// Bytes of the body as the client sent it.
    var requestBytes = 0
    var principal: KeyHolder?
    /// Revocations came into force while the key was checked: what the check saw may be older.
    var mustVerifyAgain = false
    /// Runs while the key is checked against the store.
    var verificationLimit: Scheduled<Void>?
    var facts = RequestFacts()
    var hasPlace = false
    /// At work while `counting`.
    var counter: TokenCounter?
    var wasCounted = false

    // Who is asked; see `Exchange+Route.swift`.
    var chosen: RequestRoute?
    /// The decision that the calls follow, as it is kept; empty before the first call.
    var routeRecord: [UInt8] = []
    var journey = Journey(order: [], most: 0)
    /// Of the deployment that is asked, among the candidates.
    var place = 0
    var placeTaken: DeploymentState?
    var lineTicket: ServiceState.Ticket?
    var deployment: Deployment?
    /// What the last call failed with that was not the last.
    var passedOver: Problem?

    // What it may cost; see `Exchange+Admission.swift`.
    var tags: [String] = []
    var admissionWait: AdmissionWait?
    var ticket: (any AdmissionTicket)?
    /// What the ticket covers.
    var ceiling = Quantities()
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
    var needsNewConnection = false
    var sentAt = NIODeadline.distantPast
    /// Of what the upstream says that the call cost; nil where it is not asked.
    var toldCurrency: Currency?
    /// Whether the journal knows of a call that has not ended.
    var isAttemptOpen = false
    /// Those that ended before the last one.
    var attempts: [Attempt] = []
    var upstreamStatus = 0
    /// While `buffering`: what has come of the answer.
    var buffered: ByteBuffer?
    /// While `settling`: the whole answer, where it is no stream.
    var unsent: ByteBuffer?
    var upstreamHeaders = HeaderFields()
    var filter = AnswerStream()
    /// Members of the request that its translation left out.
    var leftOut: [String] = []
    var firstByteAt: Duration?
    var needsFlush = false
    var isPaused = false
    var pace = ProgressPace()
    /// Nil without an `Idempotency-Key`.
    var keyed: KeyedAnswer?

    // Time limits, by the loop's clock.
    let wholeDeadline: NIODeadline
    private var phaseLimit = Duration.zero
    private var phaseEnd = NIODeadline.distantFuture
    var phaseDeadline: NIODeadline {
        didSet { edge.setDeadline(min(phaseDeadline, wholeDeadline)) }
    }

    init(edge: EdgeHandler, head: RequestHead, route: EdgeRoute) {
        self.edge = edge
        self.head = head
        self.route = route
        core = edge.core
        loop = edge.loop
        client = core.options.addresses.client(peer: edge.peer, headers: head.headers)
        request = core.flow.ids.next()
        started = core.flow.clock.now
        startedUptime = loop.turn.uptime
        let now = loop.turn.now
        wholeDeadline = now + core.limits.wholeTimeout.timeAmount
        phaseDeadline = now + core.limits.bodyTimeout.timeAmount
    }

    var operation: Operation? {
        switch route {
        case .inference(let operation): operation
        case .countTokens: .messages
        case .models, .model, .wrongMethod, .preflight, .cold: nil
        }
    }

    /// In whose words the client is answered.
    var dialect: Dialect { operation.map { Dialect($0) } ?? .openAI }

    /// Of its identifier: the upstream, the client and the log are told.
    private(set) lazy var requestText = request.description

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
        case .receiving, .claiming, .counting, .queued, .admitting, .pausing, .opening, .calling, .buffering,
            .streaming:
            false
        }
    }

    // MARK: What the connection reports

    func clientDidLeave() {
        isClientThere = false
        if let keyed, keyed.isAtWork, !isAdmitting { return goOnAlone() }
        if case .settling = phase { return conclude(nil, answer: nil) }
        guard !isEnded else { return }
        cancelCall()
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
        if keepAlive(at: now) { return }
        switch phase {
        case .receiving:
            // With the body complete, it is our own check of the key that takes too long.
            end(for: isReceived ? Problem(.overloaded, retryAfter: 1) : Problem(.requestTimeout))
        case .claiming:
            let waits = keyed?.waitsForTwin == true
            if !waits { log(.error, "the store of idempotency keys is silent", [:]) }
            end(for: waits ? .twinStillRuns : Problem(.storageUnavailable, retryAfter: 1))
        case .counting: giveUpCounting()
        case .queued:
            loop.metrics.didShed(chosen?.priority ?? .normal)
            end(for: Problem(.overloaded, "No deployment became free in time.", parameter: "model", retryAfter: 1))
        case .admitting:
            log(.error, "budgets and limits are silent", [:])
            end(for: Problem(.overloaded, retryAfter: 1))
        case .settling where keyed?.waitsForStoreOnly == true: concludeUnkept()
        case .opening, .settling:
            log(.error, "the journal's disk does not confirm what was written", [:])
            end(for: Problem(.journalUnavailable, retryAfter: 5))
        case .calling, .buffering, .streaming, .pausing, .ended:
            guard now < wholeDeadline else {
                return end(
                    for: Problem(.upstreamTimeout, "The request took longer than \(core.limits.wholeTimeout)."))
            }
            callFailed(
                .silent,
                Problem(
                    .upstreamTimeout, "The model's runtime or provider was silent for longer than \(phaseLimit)."))
        }
    }

    /// Sets the limit of what is waited for now.
    func wait(atMost limit: Duration) { wait(atMost: limit, from: loop.turn.now) }

    /// The same for a caller that has read the loop's clock already.
    func wait(atMost limit: Duration, from now: NIODeadline) {
        phaseLimit = limit
        phaseEnd = now + limit.timeAmount
        phaseDeadline = phaseEnd
        guard case .streaming = phase, isHeadWritten, core.limits.commentInterval < limit else { return }
        phaseDeadline = now + core.limits.commentInterval.timeAmount
    }

    /// A stream that says nothing for a while is kept open through whatever is between: by a comment, which clients
    /// pass over.
    private func keepAlive(at now: NIODeadline) -> Bool {
        guard case .streaming = phase, now < phaseEnd, now < wholeDeadline else { return false }
        phaseDeadline = min(phaseEnd, now + core.limits.commentInterval.timeAmount)
        guard isHeadWritten, !isPaused, isClientThere else { return true }
        edge.writer?.add(Self.comment)
        edge.writer?.flush()
        return true
    }

    private static let comment = ByteBuffer(staticString: ": keep-alive\n\n")

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
        cancelCall()
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
