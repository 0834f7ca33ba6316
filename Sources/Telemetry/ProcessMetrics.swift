import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension PrometheusRegistry {
    /// Adds what Prometheus expects every process to say of itself.
    /// - Parameter started: Unix seconds.
    package func addProcessMetrics(version: String, started: Double) {
        addInfo("volery_build_info", [("version", version)])
        addGauge("process_start_time_seconds") { started }
        addCounter("process_cpu_seconds_total") { ProcessFigures.cpuSeconds() }
        addGauge("process_resident_memory_bytes") { ProcessFigures.residentBytes() }
        addGauge("process_open_fds") { ProcessFigures.openFiles() }
    }
}

/// Read from the kernel; 0 where it does not say.
private enum ProcessFigures {
    static func cpuSeconds() -> Double {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

    static func residentBytes() -> Double {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
        return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
    }

    static func openFiles() -> Double {
        Double((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0)
    }
}
