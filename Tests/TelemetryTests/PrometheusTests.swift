import CoreMetrics
import Telemetry
import Testing

@Suite struct PrometheusTests {
    private func lines(_ registry: PrometheusRegistry) -> [String] {
        PrometheusText.render(registry).split(separator: "\n").map(String.init)
    }

    @Test("a counter is written with its labels in order and its help")
    func counter() {
        let registry = PrometheusRegistry()
        let counter = registry.makeCounter(
            label: "volery_tokens_total", dimensions: [("model", "m"), ("direction", "in")])
        counter.increment(by: 3)
        registry.makeCounter(label: "volery_tokens_total", dimensions: [("direction", "in"), ("model", "m")])
            .increment(by: 4)
        let page = lines(registry)
        #expect(page.contains(#"volery_tokens_total{direction="in",model="m"} 7"#))
        #expect(page.contains("# TYPE volery_tokens_total counter"))
        #expect(page.contains { $0.hasPrefix("# HELP volery_tokens_total ") })
    }

    @Test("a timer is a histogram in seconds whose buckets are cumulative")
    func histogram() {
        let registry = PrometheusRegistry()
        let timer = registry.makeTimer(label: "volery_request_duration_seconds", dimensions: [])
        for milliseconds in [5, 15, 15, 500_000] { timer.recordNanoseconds(Int64(milliseconds) * 1_000_000) }
        let page = lines(registry)
        #expect(page.contains(#"volery_request_duration_seconds_bucket{le="0.01"} 1"#))
        #expect(page.contains(#"volery_request_duration_seconds_bucket{le="0.02"} 3"#))
        #expect(page.contains(#"volery_request_duration_seconds_bucket{le="81.92"} 3"#))
        #expect(page.contains(#"volery_request_duration_seconds_bucket{le="+Inf"} 4"#))
        #expect(page.contains("volery_request_duration_seconds_count 4"))
        #expect(page.contains { $0.hasPrefix("volery_request_duration_seconds_sum 500.035") })
    }

    @Test("label values are escaped, and names are made what Prometheus reads")
    func escaping() {
        let registry = PrometheusRegistry()
        registry.makeCounter(label: "a.b-c", dimensions: [("x-y", "q\"\\\n")]).increment(by: 1)
        #expect(lines(registry).contains(#"a_b_c{x_y="q\"\\\n"} 1"#))
    }

    @Test("series beyond the bound are refused and counted")
    func bounded() {
        let registry = PrometheusRegistry()
        for index in 0..<(PrometheusRegistry.maximumSeries + 5) {
            registry.makeCounter(label: "grows_total", dimensions: [("n", "\(index)")]).increment(by: 1)
        }
        let page = lines(registry)
        #expect(page.contains("volery_metrics_series_refused_total 5"))
        #expect(page.count { $0.hasPrefix("grows_total{") } == PrometheusRegistry.maximumSeries)
    }

    @Test("a name has one kind: a second one is refused and counted")
    func oneKind() {
        let registry = PrometheusRegistry()
        registry.makeCounter(label: "thing_total", dimensions: []).increment(by: 1)
        registry.makeTimer(label: "thing_total", dimensions: [("a", "b")]).recordNanoseconds(1)
        let page = lines(registry)
        #expect(page.contains("thing_total 1"))
        #expect(!page.contains { $0.hasPrefix("thing_total_bucket") })
        #expect(page.contains("volery_metrics_series_refused_total 1"))
    }

    @Test("gauges that are read at the scrape say what holds then, the process' own among them")
    func readings() {
        let registry = PrometheusRegistry()
        registry.addGauge("now") { 2.5 }
        registry.addProcessMetrics(version: "1.2.3", started: 10)
        let page = lines(registry)
        #expect(page.contains("now 2.5"))
        #expect(page.contains(#"volery_build_info{version="1.2.3"} 1"#))
        #expect(page.contains { $0.hasPrefix("process_resident_memory_bytes ") && !$0.hasSuffix(" 0") })
        #expect(page.contains { $0.hasPrefix("process_open_fds ") && !$0.hasSuffix(" 0") })
    }

    @Test("concurrent increments are all counted")
    func concurrent() async {
        let registry = PrometheusRegistry()
        let meter = registry.makeMeter(label: "level", dimensions: [])
        let counter = registry.makeCounter(label: "many_total", dimensions: [])
        await withDiscardingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        counter.increment(by: 1)
                        meter.increment(by: 0.5)
                    }
                }
            }
        }
        let page = lines(registry)
        #expect(page.contains("many_total 8000"))
        #expect(page.contains("level 4000"))
    }
}
