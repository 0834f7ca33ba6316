import Kernel

/// Bounds the calls that are made again to a share of those that are made: a service that fails gets little more load
/// by it than it had. Pure.
package struct RetryBudget: Sendable, Hashable {
    package struct Settings: Sendable, Hashable {
        /// Retries for each request.
        package var share = 0.2
        /// Retries a second that there always are, for a service with few requests.
        package var perSecond = 5.0
        /// The most that is saved up.
        package var most = 100.0

        package init() {}
    }

    package let settings: Settings
    private var left: Double
    private var at: Duration

    package init(settings: Settings = Settings(), at uptime: Duration) {
        self.settings = settings
        left = settings.most
        at = uptime
    }

    package mutating func request(at uptime: Duration) { earn(settings.share, at: uptime) }

    /// - Returns: whether one may be made; it is taken then.
    package mutating func retry(at uptime: Duration) -> Bool {
        earn(0, at: uptime)
        guard left >= 1 else { return false }
        left -= 1
        return true
    }

    private mutating func earn(_ share: Double, at uptime: Duration) {
        let seconds = Double(max(0, (uptime - at).microseconds)) / 1e6
        at = max(at, uptime)
        left = min(settings.most, left + share + seconds * settings.perSecond)
    }
}
