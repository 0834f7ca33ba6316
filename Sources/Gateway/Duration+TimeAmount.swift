import Kernel
import NIOCore

extension Duration {
    /// For deadlines, which every request sets several of.
    var timeAmount: TimeAmount { .nanoseconds(clampedNanoseconds) }
}
