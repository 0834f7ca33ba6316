import Metrics

/// What an operator sees of the engine.
struct EngineMetrics: Sendable {
    let queueDepth = Gauge(label: "volery_database_queue_depth")
    let batchBodies = Recorder(label: "volery_database_batch_bodies")
    let commitSeconds = Timer(label: "volery_database_commit_seconds")
    let repeats = Counter(label: "volery_database_repeated_bodies_total")
    let readsRunning = Gauge(label: "volery_database_reads_running")
    let refusedWrites = Counter(label: "volery_database_refused_total", dimensions: [("kind", "write")])
    let refusedReads = Counter(label: "volery_database_refused_total", dimensions: [("kind", "read")])
}
