import NIOCore

extension Duration {
    /// For deadlines, which every request sets several of: one division, where NIO's own way over `components` makes
    /// two of 128 bits and multiplies back.
    var timeAmount: TimeAmount { .nanoseconds(Int64(clamping: attoseconds / 1_000_000_000)) }
}
