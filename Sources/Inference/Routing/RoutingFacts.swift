import Kernel

/// What the router knows of one request. Nothing in it changes while the request runs. Plain numbers: it is handed on a
/// few times for every request.
package struct RoutingFacts: Sendable, Hashable {
    /// The operation's own capability among them.
    package var needs: Set<Capability> {
        get { RoutingCodes.capabilities(of: needBits) ?? [] }
        set { needBits = RoutingCodes.bits(of: newValue) }
    }
    /// The same, a bit for each: compared with what each candidate can.
    private(set) var needBits: UInt64
    /// At least so many tokens, of what is sent: what does not fit by this count fits nowhere.
    package var inputTokens: Int
    /// The most tokens that the answer may have; nil where nobody capped it.
    package var outputCap: Int?
    /// What the answer likely has.
    package var likelyOutput: Int
    /// The same for requests that are to reach the same deployment; nil where none is preferred.
    package var affinity: UInt64?
    /// Numbers that decide where chance decides: the same seed gives the same decision.
    package var seed: UInt64

    package init(
        needs: Set<Capability>, inputTokens: Int, outputCap: Int? = nil, likelyOutput: Int, affinity: UInt64? = nil,
        seed: UInt64
    ) {
        needBits = RoutingCodes.bits(of: needs)
        self.inputTokens = inputTokens
        self.outputCap = outputCap
        self.likelyOutput = likelyOutput
        self.affinity = affinity
        self.seed = seed
    }

    /// Adds one to what it needs.
    package mutating func need(_ capability: Capability) { needBits |= RoutingCodes.bit(of: capability) }
}

/// How one deployment does at the moment of a decision.
package struct RoutingSignal: Sendable, Hashable {
    /// From the call to the first token, decayed over time; nil while nothing was measured.
    package var firstToken: Duration?
    /// Between two tokens of an answer, likewise.
    package var perToken: Duration?
    /// Requests that it answers for this node now.
    package var running: Int
    /// How many it may answer at once; nil for any number.
    package var limit: Int?
    /// What the request likely costs us there, in the smallest units of the policy's currency; nil where no book says.
    package var cost: Int64?
    package var health: Health

    package enum Health: Sendable, Hashable {
        case good
        /// A probe of it failed.
        case failing
        /// Its breaker is open: it failed too often, and is left alone for a time.
        case open
        /// Its breaker lets one request through, to see; and that one is under way.
        case probing
        /// It did far worse than the others of its service.
        case ejected
    }

    package init(
        firstToken: Duration? = nil, perToken: Duration? = nil, running: Int = 0, limit: Int? = nil,
        cost: Int64? = nil, health: Health = .good
    ) {
        self.firstToken = firstToken
        self.perToken = perToken
        self.running = running
        self.limit = limit
        self.cost = cost
        self.health = health
    }
}
