/// How much and how long the gateway lets a request take. What is in `var`s above `idleCloseWindow` are settings
/// (docs/configuration.md).
package struct GatewayLimits: Sendable {
    /// Bytes of a request's body.
    package var maximumBody = 20 << 20
    /// Bytes of all header fields of a request.
    package var maximumHeaders = 64 << 10
    /// Bytes of all request bodies that are held at one time.
    package var maximumBodiesHeld = 512 << 20
    /// Bytes of an upstream's answer that is not a stream.
    package var maximumAnswer = 64 << 20
    /// Client connections at one time; more are closed as they come.
    package var maximumConnections = 10_000
    /// Requests in work at one time.
    package var maximumRequests = 1024

    /// From the first moment of a connection to a complete request head.
    package var headTimeout = Duration.seconds(10)
    /// Between an answer and the next request on the same connection.
    package var keepAliveTimeout = Duration.seconds(75)
    /// From a request's head to the end of its body.
    package var bodyTimeout = Duration.seconds(60)
    package var connectTimeout = Duration.seconds(5)
    /// From a request sent upstream to the head of its answer, and on to the first byte of its body.
    package var firstByteTimeout = Duration.seconds(120)
    /// Between two reads of an upstream's answer, while the client takes what comes.
    package var idleTimeout = Duration.seconds(60)
    /// After so much silence of a stream its client gets a comment, so that nothing between takes it for dead.
    package var commentInterval = Duration.seconds(15)
    /// From a request's head to the end of its answer.
    package var wholeTimeout = Duration.seconds(600)

    /// Idle upstream connections that an event loop keeps for each endpoint, and for how long. Short, because a
    /// server that closes an idle connection just when a request is sent on it costs that request a retry.
    package var idleConnections = 64
    package var idleConnectionTimeout = Duration.seconds(4)

    /// Tokens of an answer whose caller named no cap, where budgets or credit need an upper bound.
    package var defaultOutputCap = 4096

    /// What budgets and limits have to say whether a request may run, with the wait at the wall.
    package var admissionTimeout = Duration.seconds(10)

    /// What a request waits for a place when all deployments of its model are full.
    package var queueTimeout = Duration.seconds(5)

    /// A server may close an idle connection at the moment a request is sent on it. When the close comes this soon, and
    /// nothing was answered, the request was not begun, and goes out once more on a new connection.
    package var idleCloseWindow = Duration.milliseconds(250)

    /// Bytes of an answer that is kept for its `Idempotency-Key`, and of all that are held for it at one time. What is
    /// longer, or finds no room, is passed on and not kept.
    package var longestKeptAnswer = 16 << 20
    package var maximumKeptHeld = 256 << 20

    /// Events with content, and time, after which a running stream's use is written down again; see
    /// `Exchange+Journal.swift`. Together they are what a killed platform may leave uncharged of a stream: little
    /// money, for one small write instead of one for each event.
    package static let progressEvents = 64
    package static let progressInterval = Duration.milliseconds(250)
    /// What a strict journal has to reach its disk. A hundred times a slow disk's sync: beyond it the disk hangs.
    static let syncTimeout = Duration.seconds(10)
    /// What the store of idempotency keys has to say whose turn it is.
    package static let claimTimeout = Duration.seconds(10)
    /// What it has to take an answer: longer than `IdempotencyFlow.Limits.keeping`, for a store that hangs.
    static let keepTimeout = Duration.seconds(12)

    /// What a deployment has to count a prompt's tokens.
    package var countTimeout = Duration.seconds(3)

    package init() {}
}
