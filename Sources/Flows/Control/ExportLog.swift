package import Kernel
import Synchronization
import Tenancy

/// An export in many pages is one event: remembers who exports what now.
package final class ExportLog: Sendable {
    private struct Export: Hashable {
        let actor: String
        let chain: TenantID?
    }

    /// How long after its last page an export counts as the same one.
    private static let pause = Duration.seconds(60)
    private static let capacity = 1024

    private let clock: any Clock
    private let running = Mutex<[Export: Duration]>([:])

    package init(clock: any Clock) { self.clock = clock }

    /// - Returns: whether a new export begins with this page.
    func begins(_ actor: String, _ chain: TenantID?, after sequence: Int64) -> Bool {
        let now = clock.uptime
        let export = Export(actor: actor, chain: chain)
        return running.withLock { running in
            if running.count >= Self.capacity { running = running.filter { now - $0.value < Self.pause } }
            let isRunning = sequence > 0 && running[export].map { now - $0 < Self.pause } ?? false
            if isRunning || running.count < Self.capacity { running[export] = now }
            return !isRunning
        }
    }
}
