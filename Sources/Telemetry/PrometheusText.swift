/// Writes the text format of Prometheus, version 0.0.4.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
package enum PrometheusText {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package static func render(_ registry: PrometheusRegistry) -> String {
        let (series, overflow) = registry.snapshot
        var text = ""
        var previous = ""
        for (key, instrument) in series {
            let name = clean(key.name)
            if name != previous { text += header(name, instrument.kind.rawValue) }
            previous = name
            append(name, key.labels, instrument, to: &text)
        }
        text += header("volery_metrics_series_refused_total", "counter")
        text += "volery_metrics_series_refused_total \(overflow)\n"
        return text
    }

    private static func header(_ name: String, _ kind: String) -> String {
        let help = MetricHelp.texts[name].map { "# HELP \(name) \($0)\n" } ?? ""
        return "\(help)# TYPE \(name) \(kind)\n"
    }

    private static func append(
        _ name: String, _ labels: [PrometheusRegistry.Label], _ instrument: PrometheusRegistry.Instrument,
        to text: inout String
    ) {
        switch instrument {
        case .counter(let counter): text += "\(name)\(rendered(labels)) \(number(counter.value))\n"
        case .gauge(let gauge): text += "\(name)\(rendered(labels)) \(number(gauge.value))\n"
        case .reading(let read, _): text += "\(name)\(rendered(labels)) \(number(read()))\n"
        case .histogram(let histogram):
            let (counts, sum) = histogram.snapshot
            var total: UInt64 = 0
            for (index, count) in counts.enumerated() {
                total += count
                let bound = index < histogram.bounds.count ? number(histogram.bounds[index]) : "+Inf"
                text += "\(name)_bucket\(rendered(labels, bound: bound)) \(total)\n"
            }
            text += "\(name)_sum\(rendered(labels)) \(number(sum))\n"
            text += "\(name)_count\(rendered(labels)) \(total)\n"
        }
    }

    private static func rendered(_ labels: [PrometheusRegistry.Label], bound: String? = nil) -> String {
        var parts = labels.map { "\(clean($0.name))=\"\(escaped($0.value))\"" }
        if let bound { parts.append("le=\"\(bound)\"") }
        return parts.isEmpty ? "" : "{" + parts.joined(separator: ",") + "}"
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for character in value {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return text
    }

    /// Names may hold letters, digits and `_` only; libraries below use dots.
    private static func clean(_ name: String) -> String {
        String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "_" })
    }

    private static func number(_ value: Double) -> String {
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        if value.isNaN { return "NaN" }
        return value.isInfinite ? (value > 0 ? "+Inf" : "-Inf") : String(value)
    }
}
