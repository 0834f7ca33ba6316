import Dispatch
import Kernel

/// Lets one body at a time through, of those that lost several times in a row.
final class Turnstile: Sendable {
    private let free = DispatchSemaphore(value: 1)

    /// - Returns: whether it is the caller's turn; false after the time given.
    func enter(within limit: Duration) -> Bool {
        free.wait(timeout: .now() + .microseconds(Int(max(0, limit.microseconds)))) == .success
    }

    func leave() { free.signal() }
}
