package import Kernel

/// A rate or concurrency limit of one subject.
package struct RateLimit: Sendable, Hashable {
    package enum Subject: Sendable, Hashable {
        case key(KeyID)
        case user(UserID)
        case workspace(WorkspaceID)
        case tenant(TenantID)
    }

    package enum Quantity: String, Sendable, Codable, CaseIterable {
        case requestsPerMinute = "rpm"
        case tokensPerMinute = "tpm"
        case concurrency
    }

    package let id: LimitID
    package let subject: Subject
    /// A model's name, or `*` at the end of the beginning of one; nil for all together.
    package let model: String?
    package let quantity: Quantity
    package let amount: Int64

    package init(id: LimitID, subject: Subject, model: String?, quantity: Quantity, amount: Int64) {
        self.id = id
        self.subject = subject
        self.model = model
        self.quantity = quantity
        self.amount = amount
    }
}

/// How a limit stands, for `x-ratelimit-*`.
package struct RateState: Sendable, Hashable {
    package let limit: RateLimit
    package let remaining: Int64
    /// Until it is full again.
    package let reset: Duration

    package init(limit: RateLimit, remaining: Int64, reset: Duration) {
        self.limit = limit
        self.remaining = remaining
        self.reset = reset
    }
}

/// What a request took from its limits. Ended once, by whoever holds it; with a process that dies, by the end of the
/// node's lease.
package struct RateTicket: Sendable, Hashable {
    package let limits: [RateLimit]
    package let tokens: Int64
    package let takenAt: Duration

    package init(limits: [RateLimit], tokens: Int64, takenAt: Duration) {
        self.limits = limits
        self.tokens = tokens
        self.takenAt = takenAt
    }
}

package enum RateAnswer: Sendable, Hashable {
    case taken(RateTicket, [RateState])
    /// The limit that binds, and after how many whole seconds another try makes sense; nil for concurrency, where
    /// nobody knows, and for what never fits: more tokens than the limit ever has.
    case refused(RateState, retryAfter: Duration?)
    /// What this node holds does not decide it: ask with `request`.
    case unknown
}

/// Rate and concurrency limits. In process; in slices over the database between nodes; one suite for all.
package protocol Counters: Sendable {
    /// Takes one request and so many tokens from every limit, or nothing. From memory, on an event loop. The limits are
    /// those that bind the request's model; the states are the tightest of requests and the tightest of tokens.
    func take(_ limits: [RateLimit], tokens: Int64) -> RateAnswer
    /// The same, asking whoever knows. Never `.unknown`.
    /// - Throws: `CancellationError`, and then nothing is taken; `Problem(.storageUnavailable)` or `.overloaded`.
    func request(_ limits: [RateLimit], tokens: Int64) async throws -> RateAnswer
    /// Gives the place back, and corrects the estimated tokens by the actual ones. Never fails, never waits.
    /// - Parameter tokens: nil when nothing was called: everything comes back, the request too.
    func end(_ ticket: RateTicket, tokens: Int64?)
}

/// Limits as they are set. Throws as `BudgetStore`.
package protocol LimitStore: Sendable {
    /// Sets the named quantities of a subject, for a model or for all; an amount of nil removes it.
    func set(
        _ amounts: [RateLimit.Quantity: Int64?], on subject: RateLimit.Subject, model: String?, of tenant: TenantID,
        workspace: WorkspaceID?, ids: IDSource, by act: MoneyAct
    ) async throws -> [RateLimit]
    func list(of tenant: TenantID, workspace: WorkspaceID?) async throws -> [RateLimit]
}
