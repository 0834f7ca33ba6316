import Metrics

/// What an operator sees of the journal.
struct JournalMetrics: Sendable {
    /// Counted while the journal is opened.
    static let settledLabel = "volery_journal_settled_requests_total"

    let lag = Gauge(label: "volery_journal_lag_records")
    let bytes = Gauge(label: "volery_journal_bytes")
    let segments = Gauge(label: "volery_journal_segments")
    let running = Gauge(label: "volery_journal_open_requests")
    let unsynced = Gauge(label: "volery_journal_unsynced_bytes")
    let unwritten = Gauge(label: "volery_journal_unwritten_records")
    /// Of one record in 64.
    let appendSeconds = Timer(label: "volery_journal_append_seconds")
    let syncSeconds = Timer(label: "volery_journal_sync_seconds")
    let diskErrors = Counter(label: "volery_journal_disk_errors_total")
    let lost = Counter(label: "volery_journal_lost_records_total")
    let damaged = Counter(label: "volery_journal_damaged_bytes_total")
    let shipped = Counter(label: "volery_journal_shipped_records_total")
    let shipErrors = Counter(label: "volery_journal_ship_errors_total")
}
