/// Wakes one task of a simulated process.
// SAFETY: used on the simulation's thread only.
package final class SimulatedBell: @unchecked Sendable {
    private let process: SimulatedProcess
    private var waiter: CheckedContinuation<Void, Never>?
    private var timer: SimulatedTimer?
    private var hasRung = false

    package init(_ process: SimulatedProcess) {
        self.process = process
        process.onBurial { [weak self] in self?.ring() }
    }

    package func ring() {
        hasRung = true
        wake()
    }

    /// Returns when it rings, has rung since the last wait, `limit` has passed, or the process has ended.
    package func wait(atMost limit: Duration) async {
        if hasRung || !process.isAlive {
            hasRung = false
            return
        }
        await withCheckedContinuation { continuation in
            waiter = continuation
            timer = process.simulation.after(limit, of: process) { [unowned self] in wake() }
        }
        hasRung = false
    }

    private func wake() {
        guard let waiter else { return }
        self.waiter = nil
        timer?.cancel()
        timer = nil
        waiter.resume()
    }
}
