package import Kernel
package import Tenancy

/// A request that came with an `Idempotency-Key`.
package struct KeyedRequest: Sendable, Hashable {
    package let key: IdempotencyKey
    /// See `RequestDigest`.
    package let fingerprint: [UInt8]

    package init(key: IdempotencyKey, fingerprint: [UInt8]) {
        self.key = key
        self.fingerprint = fingerprint
    }
}

/// What the work of a keyed request came to.
package enum IdempotencyOutcome<Value: Sendable>: Sendable {
    /// It was carried out: `value` is for this caller, the answer for whoever asks again. The two differ where an
    /// answer must not be shown twice.
    case kept(Value, StoredAnswer)
    /// It was refused before anything was done, or its answer cannot be kept: the next request is carried out anew.
    case dropped(Value)
}

/// What the caller of a keyed request gets.
package enum IdempotencyResult<Value: Sendable>: Sendable {
    case carriedOut(Value, IdempotencyKeeping)
    /// It was carried out before; this is the answer of then.
    case replayed(StoredAnswer)
}

extension IdempotencyResult: Equatable where Value: Equatable {}

package enum IdempotencyKeeping: Sendable, Hashable {
    /// The answer is durable: every later request gets it.
    case kept
    case dropped
    /// Another request took over while this one could not renew its lease, and its answer is the one that counts.
    case lost
    /// The store did not take the answer in time. It may have it all the same.
    case unconfirmed
}

/// Somebody who waits for the answer of a twin.
package struct IdempotencyWaiter: Sendable {
    /// Whether it is still there. Asked between two looks.
    package let isThere: @Sendable () -> Bool
    /// Called once, when it turns out that the twin is at work.
    package let waits: @Sendable () -> Void

    package init(
        isThere: @escaping @Sendable () -> Bool = { true }, waits: @escaping @Sendable () -> Void = {}
    ) {
        self.isThere = isThere
        self.waits = waits
    }
}

extension Problem {
    /// The twin's answer is not there yet.
    package static let twinStillRuns = Problem(
        .idempotencyConflict, "A request with this idempotency key is still running.",
        parameter: "Idempotency-Key",
        hint: "Send the same request with the same key again after `Retry-After`; it gets that request's answer.",
        retryAfter: 5)

    /// Our lease ran out, and a twin carries the request out again.
    package static let twinTookOver = Problem(
        .idempotencyConflict, "Another request with this idempotency key took this one's place.",
        parameter: "Idempotency-Key",
        hint: "Send the same request with the same key again after `Retry-After`; it gets that request's answer.",
        retryAfter: 1)
}
