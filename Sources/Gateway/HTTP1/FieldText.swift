/// The alphabet of header fields (RFC 9110, section 5).
enum FieldText {
    /// Of the bytes below 128 that may stand in a name or a method, one bit each.
    private static let tokenLow: UInt64 = 0x03FF_6CFA_0000_0000
    private static let tokenHigh: UInt64 = 0x57FF_FFFF_C7FF_FFFE

    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        let mask = byte < 64 ? tokenLow : tokenHigh
        return byte < 128 && mask >> UInt64(byte & 63) & 1 == 1
    }

    static func isToken(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes where !isToken(byte) { return false }
        return !bytes.isEmpty
    }

    /// Whether a value, a reason or a chunk's extension may be these bytes: no control characters but the tab.
    static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        // Without an early end, so that the compiler can take many bytes at a time.
        var bad: UInt8 = 0
        for byte in bytes { bad |= (byte < 0x20 ? 1 : 0) & (byte == 0x09 ? 0 : 1) | (byte == 0x7F ? 1 : 0) }
        return bad == 0
    }

    /// - Parameter other: has no capital letters.
    static func isSame(_ bytes: UnsafeRawBufferPointer, lowercased other: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count == other.count else { return false }
        for index in bytes.indices where lowercased(bytes[index]) != other[index] { return false }
        return true
    }

    static func isSame(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        isSame(bytes, lowercased: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    private static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    /// A field's value, without the blanks around it.
    /// - Parameter line: without its end.
    static func value(of line: UnsafeRawBufferPointer, after colon: Int) -> UnsafeRawBufferPointer {
        trimmed(UnsafeRawBufferPointer(rebasing: line[(colon + 1)...]))
    }

    static func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var (start, end) = (0, bytes.count)
        while start < end, isBlank(bytes[start]) { start += 1 }
        while end > start, isBlank(bytes[end - 1]) { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// Each member of a list with commas, trimmed.
    static func eachMember(of list: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        var rest = list
        while let comma = findByte(UInt8(ascii: ","), in: rest) {
            body(trimmed(UnsafeRawBufferPointer(rebasing: rest[..<comma])))
            rest = UnsafeRawBufferPointer(rebasing: rest[(comma + 1)...])
        }
        body(trimmed(rest))
    }

    /// A decimal number that is nothing but digits; nil also for one that is too large.
    static func number(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard !bytes.isEmpty else { return nil }
        var number = 0
        for byte in bytes {
            guard byte &- 0x30 < 10 else { return nil }
            let (tens, isOver) = number.multipliedReportingOverflow(by: 10)
            let (sum, isAbove) = tens.addingReportingOverflow(Int(byte &- 0x30))
            guard !isOver, !isAbove else { return nil }
            number = sum
        }
        return number
    }
}
