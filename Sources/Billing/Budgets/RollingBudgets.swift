package import Kernel

/// The chore that moves the windows of rolling budgets. Throws as `BudgetStore`.
///
/// A window goes by the time at which something was posted, which is a moment after it was accepted: until then it was
/// held, so nothing is out of the window before its time, and what is posted late is never overlooked.
package protocol RollingBudgetStore: Sendable {
    /// Brings back what left the windows, once for each step, whoever asks how often.
    /// - Parameter after: the budget that the last call ended with; nil to begin.
    /// - Returns: the last budget that was looked at, when there may be more.
    func roll(at now: Instant, after: BudgetID?, limit: Int) async throws -> BudgetID?
}
