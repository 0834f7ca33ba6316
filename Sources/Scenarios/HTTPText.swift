/// What a simulated client or upstream has read of HTTP/1.1, as far as this platform and its upstreams speak it.
struct HTTPText {
    enum Body: Equatable {
        case length(Int)
        case chunked
    }

    struct Head {
        /// The first line.
        let start: String
        /// By lower-case name.
        let fields: [String: String]

        var status: Int { Int(start.split(separator: " ").dropFirst().first ?? "") ?? 0 }

        var body: Body {
            if fields["transfer-encoding"] == "chunked" { return .chunked }
            return .length(Int(fields["content-length"] ?? "") ?? 0)
        }
    }

    private var bytes: [UInt8] = []
    private var position = 0

    mutating func add(_ more: some Collection<UInt8>) {
        if position > 0, position == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            position = 0
        }
        bytes.append(contentsOf: more)
    }

    var isEmpty: Bool { position == bytes.count }

    /// Takes a head when it is whole.
    mutating func takeHead() -> Head? {
        var lines: [String] = []
        var start = position
        while let end = lineEnd(from: start) {
            let line = String(decoding: bytes[start..<end], as: UTF8.self)
            start = end + 2
            if line.isEmpty {
                position = start
                return Self.head(lines)
            }
            lines.append(line)
        }
        return nil
    }

    private static func head(_ lines: [String]) -> Head {
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            fields[line[..<colon].lowercased()] = String(value)
        }
        return Head(start: lines.first ?? "", fields: fields)
    }

    /// Takes so many bytes when they are there.
    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard bytes.count - position >= count else { return nil }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// Takes a chunk when it is whole; an empty one is the last.
    mutating func takeChunk() -> ArraySlice<UInt8>? {
        guard let end = lineEnd(from: position) else { return nil }
        let digits = String(decoding: bytes[position..<end], as: UTF8.self)
        let length = Int(digits, radix: 16) ?? 0
        guard bytes.count >= end + 2 + length + 2 else { return nil }
        position = end + 2 + length + 2
        return bytes[end + 2..<end + 2 + length]
    }

    private func lineEnd(from start: Int) -> Int? {
        bytes.withUnsafeBufferPointer { bytes in
            var index = start
            while index + 1 < bytes.count {
                if bytes[index] == 0x0D, bytes[index + 1] == 0x0A { return index }
                index += 1
            }
            return nil
        }
    }
}
