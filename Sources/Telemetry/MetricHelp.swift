/// What each metric means, as the scrape says it. One table, so that names are chosen beside each other.
enum MetricHelp {
    static let texts = [
        "volery_request_duration_seconds": "From a request's head to the end of its answer.",
        "volery_request_time_to_first_token_seconds": "From a request's head to the first byte of its answer.",
        "volery_requests_in_flight": "Inference requests that are being answered.",
        "volery_requests_refused_total": "Requests that ended before a model was chosen, by error code.",
        "volery_connections_open": "Client connections that are open.",
        "volery_request_body_bytes": "Bytes of request bodies that are held in memory.",
        "volery_tokens_total": "Tokens that went into models and came out of them.",
        "volery_upstream_connections_opened_total": "Connections opened to runtimes and providers.",
        "volery_upstream_pauses_total": "Times that a stream waited for a client that does not keep up.",
        "volery_journal_lag_records": "Usage records that are in the journal and not yet in the database.",
        "volery_journal_append_seconds": "Time to hand one usage record to the operating system.",
        "volery_journal_sync_seconds": "Time of one sync of the journal to the disk.",
        "volery_runtime_restarts_total": "Starts of a runtime after its process ended.",
        "volery_log_lines_dropped_total": "Log lines thrown away because whoever reads the log was too slow.",
        "volery_metrics_series_refused_total": "Series beyond the most that are kept.",
        "volery_build_info": "The version that runs.",
        "process_cpu_seconds_total": "User and system CPU time of this process.",
        "process_resident_memory_bytes": "Resident memory of this process.",
        "process_open_fds": "Open file descriptors of this process.",
        "process_start_time_seconds": "When this process started, in Unix seconds.",
    ]
}
