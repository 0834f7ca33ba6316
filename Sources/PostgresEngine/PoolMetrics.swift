import Kernel
import Metrics

/// What an operator sees of one pool.
struct PoolMetrics: Sendable {
    private let clock: any Clock
    let waiting: Gauge
    let running: Gauge
    let connections: Gauge
    let refused: Counter
    let expired: Counter
    let retries: Counter
    let connects: Counter
    let failedConnects: Counter
    let cancels: Counter
    private let statementSeconds: Timer

    init(pool: String, clock: any Clock) {
        let dimensions = [("pool", pool)]
        self.clock = clock
        waiting = Gauge(label: "volery_postgres_waiting", dimensions: dimensions)
        running = Gauge(label: "volery_postgres_running", dimensions: dimensions)
        connections = Gauge(label: "volery_postgres_connections", dimensions: dimensions)
        refused = Counter(label: "volery_postgres_refused_total", dimensions: dimensions)
        expired = Counter(label: "volery_postgres_expired_total", dimensions: dimensions)
        retries = Counter(label: "volery_postgres_retries_total", dimensions: dimensions)
        connects = Counter(label: "volery_postgres_connects_total", dimensions: dimensions)
        failedConnects = Counter(label: "volery_postgres_failed_connects_total", dimensions: dimensions)
        cancels = Counter(label: "volery_postgres_cancels_total", dimensions: dimensions)
        statementSeconds = Timer(label: "volery_postgres_statement_seconds", dimensions: dimensions)
    }

    func timing<T, Failure: Error>(_ work: () throws(Failure) -> T) throws(Failure) -> T {
        let began = clock.uptime
        defer { statementSeconds.recordNanoseconds((clock.uptime - began).microseconds * 1000) }
        return try work()
    }
}
