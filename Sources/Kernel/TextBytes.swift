/// Text in the making, in UTF-8: what is put goes behind what is there, and nothing is made into a `String` first. For
/// what every request writes: its line in the log.
///
/// In plain memory: an array of that size would look its own type up, which takes longer than to write the text.
// SAFETY: not copyable, and so the only one who knows the memory.
public struct TextBytes: ~Copyable, @unchecked Sendable {
    @usableFromInline
    var memory: UnsafeMutableBufferPointer<UInt8>
    /// Of what was put.
    @usableFromInline
    var length = 0

    @inlinable
    public var count: Int { length }

    public init(capacity: Int) { memory = .allocate(capacity: capacity) }

    deinit { memory.deallocate() }

    public func withBytes<Answer>(_ body: (UnsafeRawBufferPointer) -> Answer) -> Answer {
        body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<count]))
    }

    public mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public mutating func put(text: String) {
        var text = text
        text.withUTF8 { put(UnsafeRawBufferPointer($0)) }
    }

    public mutating func put(_ byte: UInt8) {
        reserve(1)
        memory[length] = byte
        length += 1
    }

    public mutating func put(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(memory)[count...]).copyMemory(from: bytes)
        length += bytes.count
    }

    /// - Parameter body: writes at most so many bytes, and says how many.
    @inlinable @inline(__always)
    public mutating func put(most: Int, _ body: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
        reserve(most)
        length += body(UnsafeMutableBufferPointer(rebasing: memory[count..<count + most]))
    }

    @inlinable
    mutating func reserve(_ more: Int) {
        if memory.count - count < more { grow(by: more) }
    }

    @usableFromInline
    mutating func grow(by more: Int) {
        let larger = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: memory.count + max(memory.count, more))
        UnsafeMutableRawBufferPointer(larger).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<count]))
        memory.deallocate()
        memory = larger
    }
}

extension Array where Element: FixedWidthInteger {
    /// What `Array(repeating: 0, count:)` is, in a third of its steps: that one looks its type up each time.
    @inlinable
    public static func zeros(_ count: Int) -> [Element] {
        var zeros: [Element] = []
        zeros.reserveCapacity(count)
        zeros.append(contentsOf: repeatElement(0, count: count))
        return zeros
    }
}

/// Writes one piece behind the other into memory that has room for all of them. Open to the optimizer of other modules:
/// a word whose length it knows becomes a store or two.
public struct TextCursor {
    @usableFromInline
    let buffer: UnsafeMutableBufferPointer<UInt8>
    @usableFromInline
    var place = 0

    @inlinable
    public init(_ buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

    /// Bytes written.
    @inlinable
    public var count: Int { place }

    @inlinable @inline(__always)
    public mutating func put(_ text: StaticString) { put(text.utf8Start, text.utf8CodeUnitCount) }

    @inlinable
    public mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) {
        if let start = bytes.baseAddress { put(start, bytes.count) }
    }

    @inlinable
    public mutating func put(text: String) {
        // Without a copy, which a text that has its bytes in one place does not need.
        let isDone: Void? = text.utf8.withContiguousStorageIfAvailable { put($0) }
        if isDone != nil { return }
        var text = text
        text.withUTF8 { put($0) }
    }

    @inlinable @inline(__always)
    public mutating func put(_ start: UnsafePointer<UInt8>, _ length: Int) {
        precondition(length <= buffer.count - place, "a text is longer than its room")
        guard let base = buffer.baseAddress else { return }
        (base + place).update(from: start, count: length)
        place += length
    }

    @inlinable @inline(__always)
    public mutating func put(_ value: some TextWritable) {
        // An amount is written from the end of its room.
        place += value.write(to: UnsafeMutableBufferPointer(rebasing: buffer[place..<place + value.longestText]))
    }
}

/// What has a text form of bounded length that is written where it belongs.
public protocol TextWritable {
    /// Bytes that the text form takes at most.
    var longestText: Int { get }
    /// - Parameter buffer: `longestText` bytes.
    /// - Returns: how many bytes the text form takes.
    func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int
}

extension Int: TextWritable {
    public var longestText: Int { DecimalText.longest(scale: 0) }

    /// From the last digit to the first, once it is known how many there are.
    public func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var length = self < 0 ? 2 : 1
        var rest = magnitude / 10
        while rest > 0 {
            length += 1
            rest /= 10
        }
        rest = magnitude
        var place = length
        repeat {
            place -= 1
            buffer[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        if self < 0 { buffer[0] = UInt8(ascii: "-") }
        return length
    }
}

extension ID: TextWritable {}

extension Money: TextWritable {
    public var longestText: Int { Amount(units: units, .money(currency)).longestText }

    public func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        Amount(units: units, .money(currency)).write(to: buffer)
    }
}

extension Amount: TextWritable {
    public var longestText: Int { DecimalText.longest(scale: asset.scale) + 1 + asset.text.utf8.count }

    public func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let digits = DecimalText.longest(scale: asset.scale)
        var place = DecimalText.write(
            units, scale: asset.scale, places: places, to: UnsafeMutableBufferPointer(rebasing: buffer[..<digits]))
        buffer[place] = UInt8(ascii: " ")
        for byte in asset.text.utf8 {
            place += 1
            buffer[place] = byte
        }
        return place + 1
    }
}
