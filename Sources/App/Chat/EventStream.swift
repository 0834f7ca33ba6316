/// Reads server-sent events as far as the chat API uses them: the `data` of each event. A pure value.
package struct EventStream: Sendable {
    /// The longest line, so that a server that never ends one cannot fill memory.
    package static let longestLine = 4 << 20

    package struct TooLong: Error {}

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var sawReturn = false

    package init() {}

    /// - Returns: the data of every event that is complete now.
    package mutating func take(_ bytes: some Sequence<UInt8>) throws(TooLong) -> [[UInt8]] {
        var events: [[UInt8]] = []
        for byte in bytes {
            let endsLine = byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
            let isPair = byte == UInt8(ascii: "\n") && sawReturn
            sawReturn = byte == UInt8(ascii: "\r")
            guard endsLine else {
                guard line.count < Self.longestLine else { throw TooLong() }
                line.append(byte)
                continue
            }
            if isPair { continue }
            try endLine(into: &events)
        }
        return events
    }

    private mutating func endLine(into events: inout [[UInt8]]) throws(TooLong) {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else {
            if hasData { events.append(data) }
            data = []
            hasData = false
            return
        }
        let field = Array("data:".utf8)
        guard line.starts(with: field) else { return }
        var value = line[field.count...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        guard data.count + value.count < Self.longestLine else { throw TooLong() }
        if hasData { data.append(UInt8(ascii: "\n")) }
        data.append(contentsOf: value)
        hasData = true
    }
}
