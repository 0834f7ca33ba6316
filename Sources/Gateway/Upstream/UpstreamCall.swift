import NIOCore

/// One running call to an upstream. Everything happens on the event loop that started it.
protocol UpstreamCall: AnyObject {
    /// Stops reading until `resume()`. What was read already may still arrive.
    func pause()
    func resume()
    /// Ends the call at once; nothing more is delivered.
    func cancel()
    /// Whether nothing of it was sent yet. Asked before it is cancelled, and when it fails.
    var isHeldBack: Bool { get }
}

/// Who hears of a call: one head, some bytes, then `upstreamDidEnd` or `upstreamDidFail`, never both, never anything
/// after `cancel()`.
protocol UpstreamReceiver: AnyObject {
    func upstreamDidReceive(status: Int, headers: HeaderFields)
    func upstreamDidReceive(_ bytes: ByteBuffer)
    /// All that one read brought was delivered: a good moment to flush.
    func upstreamDidFinishReading()
    func upstreamDidEnd()
    func upstreamDidFail(_ failure: UpstreamFailure)
}

/// Why a call ended without a whole answer.
enum UpstreamFailure: Error, Equatable {
    /// No connection: refused, unknown host, no route, TLS. The text is for the log.
    case unreachable(String)
    case connectTimedOut
    /// The connection closed before the head of an answer.
    case closedBeforeHead
    /// The connection closed in the middle of an answer.
    case closedMidway
    /// Not HTTP, or not what its own headers say. The text is for the log.
    case invalid(String)
}
