import Kernel

/// The numbers that stand for cases in a record: a new case takes a new one, and none is ever used again.
enum RoutingCodes {
    /// The place of its bit in a set.
    static func place(of capability: Capability) -> UInt64 {
        switch capability {
        case .chat: 0
        case .completions: 1
        case .embeddings: 2
        case .tools: 3
        case .logprobs: 4
        case .images: 5
        case .responses: 6
        case .jsonObject: 7
        case .jsonSchema: 8
        case .multipleChoices: 9
        }
    }

    static func code(of strategy: RoutingPolicy.Strategy) -> UInt8 {
        switch strategy {
        case .lowestLatency: 1
        case .cheapest: 2
        case .slaPreferred: 3
        case .weighted: 4
        case .priority: 5
        case .leastLoaded: 6
        }
    }

    static func code(of health: RoutingSignal.Health) -> UInt8 {
        switch health {
        case .good: 0
        case .failing: 1
        case .open: 2
        case .probing: 3
        case .ejected: 4
        }
    }

    static func bit(of capability: Capability) -> UInt64 { 1 << place(of: capability) }

    static func bits(of capabilities: Set<Capability>) -> UInt64 {
        if capabilities.isEmpty { return 0 }
        return capabilities.reduce(0) { $0 | bit(of: $1) }
    }

    /// - Returns: nil where a bit stands for nothing.
    static func capabilities(of bits: UInt64) -> Set<Capability>? {
        let found = Set(Capability.allCases.filter { bits & 1 << place(of: $0) != 0 })
        return self.bits(of: found) == bits ? found : nil
    }

    static func strategy(of code: UInt8) -> RoutingPolicy.Strategy? {
        RoutingPolicy.Strategy.allCases.first { self.code(of: $0) == code }
    }

    static func health(of code: UInt8) -> RoutingSignal.Health? {
        [.good, .failing, .open, .probing, .ejected].first { self.code(of: $0) == code }
    }
}

/// Writes one piece behind the other into memory that has room for all of them.
struct RoutingWriter {
    /// Bytes of a number at most: ten times seven bits.
    static let longestVarint = 10
    /// Of a text, with its length.
    static let longestText = RoutingRecordCoding.longestText + 2
    static let longestWords = longestVarint + RoutingRecordCoding.mostWords * longestText

    private let buffer: UnsafeMutableBufferPointer<UInt8>
    private var count = 0

    /// - Parameter most: bytes at most.
    static func write(most: Int, _ body: (inout RoutingWriter) -> Void) -> [UInt8] {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: most) { buffer in
            var writer = RoutingWriter(buffer)
            body(&writer)
            // Exactly so much, and no more room.
            return Array(UnsafeBufferPointer(rebasing: buffer[..<writer.count]))
        }
    }

    private init(_ buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

    mutating func put(byte: UInt8) {
        precondition(count < buffer.count, "a record is longer than its room")
        buffer[count] = byte
        count += 1
    }

    mutating func put(bytes: UnsafeBufferPointer<UInt8>) {
        guard let base = buffer.baseAddress, let start = bytes.baseAddress else { return }
        precondition(bytes.count <= buffer.count - count, "a record is longer than its room")
        (base + count).update(from: start, count: bytes.count)
        count += bytes.count
    }

    mutating func put(bytes: [UInt8]) { bytes.withUnsafeBufferPointer { put(bytes: $0) } }

    /// Seven bits in a byte, the low ones first; the high bit says that more follow.
    mutating func put(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            put(byte: UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        put(byte: UInt8(truncatingIfNeeded: rest))
    }

    /// Small ones are short on either side of 0: 0, -1, 1, -2 …
    mutating func put(signed value: Int64) { put(varint: UInt64(bitPattern: value << 1 ^ value >> 63)) }

    /// What chance or a hash made is as long as it is.
    mutating func put(fixed value: UInt64) {
        withUnsafeBytes(of: value.littleEndian) { put(bytes: $0.assumingMemoryBound(to: UInt8.self)) }
    }

    mutating func put(time: Duration) {
        put(varint: UInt64(min(max(0, time.microseconds), RoutingRecordCoding.longestTime)))
    }

    mutating func put(text: String) {
        var text = text
        text.withUTF8 { utf8 in
            var kept = min(utf8.count, RoutingRecordCoding.longestText)
            // Not in the middle of a character: its further bytes begin with the bits 10.
            while kept < utf8.count, kept > 0, utf8[kept] & 0xC0 == 0x80 { kept -= 1 }
            put(varint: UInt64(kept))
            put(bytes: UnsafeBufferPointer(rebasing: utf8[..<kept]))
        }
    }

    /// In one order, so that the same set is the same bytes.
    mutating func put(words: Set<String>) {
        let words = words.sorted().prefix(RoutingRecordCoding.mostWords)
        put(varint: UInt64(words.count))
        for word in words { put(text: word) }
    }
}

/// Reads what stands above; every read fails at the end of the bytes, and at what was not written so.
struct RoutingReader {
    struct Damaged: Error {}

    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    var isAtEnd: Bool { offset == bytes.count }

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func byte() throws(Damaged) -> UInt8 {
        guard offset < bytes.count else { throw Damaged() }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func varint() throws(Damaged) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let next = try byte()
            // Of the tenth byte one bit has room.
            guard shift < 63 || next <= 1 else { throw Damaged() }
            value |= UInt64(next & 0x7F) << shift
            if next < 0x80 { return value }
        }
        throw Damaged()
    }

    mutating func signed() throws(Damaged) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    mutating func integer() throws(Damaged) -> Int { Int(try signed()) }

    /// - Parameter most: what is more was not written by us.
    mutating func count(atMost most: Int) throws(Damaged) -> Int {
        let value = try varint()
        guard value <= UInt64(most) else { throw Damaged() }
        return Int(value)
    }

    mutating func fixed() throws(Damaged) -> UInt64 {
        guard bytes.count - offset >= 8 else { throw Damaged() }
        defer { offset += 8 }
        return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    mutating func time() throws(Damaged) -> Duration {
        .microseconds(Int64(try count(atMost: Int(RoutingRecordCoding.longestTime))))
    }

    mutating func text() throws(Damaged) -> String {
        let count = try count(atMost: RoutingRecordCoding.longestText)
        guard bytes.count - offset >= count else { throw Damaged() }
        defer { offset += count }
        guard let text = String(validating: bytes[offset..<offset + count], as: UTF8.self) else { throw Damaged() }
        return text
    }

    mutating func words() throws(Damaged) -> Set<String> {
        var words: Set<String> = []
        for _ in 0..<(try count(atMost: RoutingRecordCoding.mostWords)) { words.insert(try text()) }
        return words
    }
}
