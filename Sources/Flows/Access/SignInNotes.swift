package import Kernel
import Synchronization
import Tenancy

/// Lets one failed try at each account into the audit log each minute.
package final class SignInNotes: Sendable {
    private static let pause = Duration.seconds(60)
    private static let capacity = 4096

    private let clock: any Clock
    private let noted = Mutex<[UserID: Duration]>([:])

    package init(clock: any Clock) { self.clock = clock }

    func notes(_ user: UserID) -> Bool {
        let now = clock.uptime
        return noted.withLock { noted in
            if let last = noted[user], now - last < Self.pause { return false }
            if noted.count >= Self.capacity { noted = noted.filter { now - $0.value < Self.pause } }
            guard noted.count < Self.capacity else { return false }
            noted[user] = now
            return true
        }
    }

    func forget(_ user: UserID) { noted.withLock { $0[user] = nil } }
}
