/// Byte counts as people write them: `65536`, `64KiB`, `20MiB`, `1GiB`.
enum ByteSize {
    private static let units: [(name: String, size: Int)] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]

    static func parse(_ text: String) -> Int? {
        for unit in units where text.hasSuffix(unit.name) {
            guard let count = number(text.dropLast(unit.name.count)) else { return nil }
            let (size, overflow) = count.multipliedReportingOverflow(by: unit.size)
            return overflow ? nil : size
        }
        return number(text[...])
    }

    /// The shortest exact form.
    static func text(_ size: Int) -> String {
        for unit in units where size >= unit.size && size % unit.size == 0 { return "\(size / unit.size)\(unit.name)" }
        return String(size)
    }
}

/// Durations as people write them: `250ms`, `5s`, `2m`, `1h`.
enum TimeSpan {
    static func parse(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = number(digits), count <= 1_000_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return .milliseconds(count)
        case "s": return .seconds(count)
        case "m": return .seconds(count * 60)
        case "h": return .seconds(count * 3600)
        default: return nil
        }
    }

    /// The shortest exact form; what is finer than a millisecond is dropped.
    static func text(_ span: Duration) -> String {
        let (seconds, attoseconds) = span.components
        if attoseconds != 0 { return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms" }
        if seconds >= 3600, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        if seconds >= 60, seconds % 60 == 0 { return "\(seconds / 60)m" }
        return "\(seconds)s"
    }
}

/// Digits only: `Int` itself would take a sign.
private func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
}
