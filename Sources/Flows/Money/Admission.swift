package import Billing
package import Inference
package import Kernel

/// What a request may cost at most, and whom.
package struct AdmissionRequest: Sendable {
    package let spender: Spender
    package let deployment: Deployment
    package let operation: Operation
    package let tags: [String]
    /// No request of this form can consume more: bytes bound the prompt, the cap bounds the answer.
    package let ceiling: Quantities
    /// What it is likely to take from a limit of tokens per minute; corrected by the actual.
    package let tokens: Int64
    /// By this node's clock.
    package let accepted: Instant

    package init(
        spender: Spender, deployment: Deployment, operation: Operation, tags: [String], ceiling: Quantities,
        tokens: Int64, accepted: Instant
    ) {
        self.spender = spender
        self.deployment = deployment
        self.operation = operation
        self.tags = tags
        self.ceiling = ceiling
        self.tokens = tokens
        self.accepted = accepted
    }
}

/// Whether a request may begin.
package enum AdmissionAnswer: Sendable {
    case admitted(any AdmissionTicket)
    case refused(Problem, [RateState])
    /// Memory does not decide it: ask with `wait`.
    case undecided
}

/// The right of one request to run. `end` is called once, whatever becomes of it; it gives back what was not used.
package protocol AdmissionTicket: AnyObject, Sendable {
    var hold: Hold { get }
    /// How the limits stand that the request passed, for `x-ratelimit-*`.
    var rates: [RateState] { get }
    /// What the hardest budget or the credit has left in this node's eyes, beside what runs; nil without one. After
    /// `end` this request does not run any more.
    var remaining: Amount? { get }
    /// - Parameters:
    ///   - record: nil when nothing was begun: no journal record names the hold.
    /// - Returns: what the tenant pays, in its currency; nil for what has no price.
    func end(_ record: UsageRecord?) -> Money?
    /// The same for what was begun, without a record that might not be there: that would be copied.
    func end(with record: UsageRecord) -> Money?
    /// The record that `end` got was noted in the journal. Until then, or until the ticket is gone, what was set aside
    /// is not taken for settled.
    func close()
}

extension AdmissionTicket {
    package func end(with record: UsageRecord) -> Money? { end(record) }
    package func close() {}
}

/// The hot path's view of money and limits: called on event loops, from memory, unless it says `.undecided`.
package protocol Admission: AnyObject, Sendable {
    /// Whether output must be capped for this spender's requests to have an upper bound; nil while its rules are not in
    /// memory.
    func needsCap(_ spender: Spender) -> Bool?
    func admit(_ request: AdmissionRequest) -> AdmissionAnswer
    /// Reads what is missing, takes slices, and waits at the wall for as long as configured.
    /// - Throws: `CancellationError` when the task is cancelled; then nothing is held. Never `.undecided`.
    func wait(_ request: AdmissionRequest) async throws -> AdmissionAnswer
}

/// Where nothing is priced and nothing binds.
package final class FreeAdmission: Admission {
    package init() {}
    package func needsCap(_ spender: Spender) -> Bool? { false }
    package func admit(_ request: AdmissionRequest) -> AdmissionAnswer { .admitted(FreeTicket()) }
    package func wait(_ request: AdmissionRequest) async throws -> AdmissionAnswer { admit(request) }
}

private final class FreeTicket: AdmissionTicket {
    var hold: Hold { .none }
    var rates: [RateState] { [] }
    var remaining: Amount? { nil }
    func end(_ record: UsageRecord?) -> Money? { nil }
}
