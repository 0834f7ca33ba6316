import Metrics

/// What an operator sees of the journal.
struct JournalMetrics: Sendable {
    let lag = Gauge(label: "volery_journal_lag_records")
    let unwritten = Gauge(label: "volery_journal_unwritten_records")
    let appendSeconds = Timer(label: "volery_journal_append_seconds")
    let syncSeconds = Timer(label: "volery_journal_sync_seconds")
    let diskErrors = Counter(label: "volery_journal_disk_errors_total")
    let lost = Counter(label: "volery_journal_lost_records_total")
    let damaged = Counter(label: "volery_journal_damaged_bytes_total")
    let shipped = Counter(label: "volery_journal_shipped_records_total")
    let shipErrors = Counter(label: "volery_journal_ship_errors_total")
}
