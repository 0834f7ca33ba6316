/// Cuts a stream of bytes into lines, and holds at most one line of at most `limit` bytes at a time.
struct LineSplitter {
    static let limit = 2000

    private var held: [UInt8] = []
    /// Bytes of the present line that were dropped for being too many.
    private var dropped = 0

    mutating func take(_ bytes: some Sequence<UInt8>) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == 0x0A {
                if let line = finish() { lines.append(line) }
            } else if held.count < LineSplitter.limit {
                held.append(byte)
            } else {
                dropped += 1
            }
        }
        return lines
    }

    /// What stands after the last line break, at the end of the stream.
    mutating func finish() -> String? {
        defer {
            held.removeAll(keepingCapacity: true)
            dropped = 0
        }
        if held.last == 0x0D { held.removeLast() }
        guard !held.isEmpty else { return nil }
        let text = String(decoding: held.map { $0 < 0x20 && $0 != 0x09 ? 0x20 : $0 }, as: UTF8.self)
        return dropped > 0 ? "\(text)… (\(dropped) bytes more)" : text
    }
}

/// Lets a burst of lines through and then as many as the rate allows; says how many it held back.
struct LineBudget {
    static let burst = 400
    static let perSecond = 40.0

    private var tokens = Double(LineBudget.burst)
    private var last: Duration
    private var held = 0

    init(now: Duration) { last = now }

    enum Verdict: Equatable {
        case pass(heldBefore: Int)
        case hold
    }

    mutating func next(now: Duration) -> Verdict {
        let elapsed = Double((now - last).components.seconds) + Double((now - last).components.attoseconds) / 1e18
        tokens = min(Double(LineBudget.burst), tokens + elapsed * LineBudget.perSecond)
        last = now
        guard tokens >= 1 else {
            held += 1
            return .hold
        }
        tokens -= 1
        defer { held = 0 }
        return .pass(heldBefore: held)
    }
}

/// The last lines of a process, for saying why it ended.
struct LineTail {
    static let limit = 40

    private(set) var lines: [String] = []

    mutating func append(_ line: String) {
        if lines.count == LineTail.limit { lines.removeFirst() }
        lines.append(line)
    }
}
